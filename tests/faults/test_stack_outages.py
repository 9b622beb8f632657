"""What a rollout stands on goes away for a while, on the real local stack: it goes on where it was."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from benchmarks.faults.clients import live_traffic
from benchmarks.faults.drivers import attempt
from benchmarks.faults.ground import DEPLOYMENT, Lane
from benchmarks.faults.judge import Book, at_rest, ladder_faults, look, router
from firstflight.ledger import open_store
from firstflight.orchestrator import Orchestrator
from firstflight.rollout.machine import Phase, Rollout
from firstflight.serving import open_backend
from firstflight.settings import Settings
from tests.e2e.runs import stopped

pytestmark = [pytest.mark.local, pytest.mark.faults]
AWAY_SECONDS = 8.0


class Watched:
    """One lane's rollout, seen from outside."""

    def __init__(self, settings: Settings, lane: Lane) -> None:
        self.settings = settings
        self.lane = lane
        self.book = Book(open_store(settings), lane.model)
        self.backend = open_backend(settings)
        self.orchestrator = Orchestrator(settings.prefect_api, settings.prefect_auth)

    def start(self) -> str:
        """Start a canary of five short stages as a flow run, and wait until it observes one."""
        split = router(self.backend, self.lane.model)
        assert split is not None
        plan = self.lane.plan(split.stable, (10, 30, 50, 80, 100), 2.0)
        run = str(self.orchestrator.start(DEPLOYMENT, {"plan": plan.model_dump(mode="json")}).id)
        self.wait(lambda: (found := self.rollout(run)) is not None and found.phase is Phase.OBSERVING)
        return run

    def rollout(self, run: str) -> Rollout | None:
        """The rollout of `run`; None while there is none or the ledger is away."""
        found = look(self.book, self.backend)
        return found[0] if found and found[0] and found[0].run == run else None

    def promoted(self, run: str) -> Rollout:
        """Wait until the rollout has ended well, and check its ladder and its records."""
        self.wait(lambda: (found := self.rollout(run)) is not None and found.final)
        ended = self.rollout(run)
        assert ended is not None
        assert Phase.PROMOTED is ended.phase, ended.reasons
        assert [] == ladder_faults(ended, self.book.records(ended))
        assert [] == self.book.losses()
        assert at_rest(ended, router(self.backend, self.lane.model))
        return ended

    def wait(self, true: Callable[[], bool], seconds: float = 120.0) -> None:
        """Poll until something is true; fail past the deadline."""
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, f"{self.book.refresh()}"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def watched(
    impatient: Settings, lanes: tuple[Lane, ...], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    """The first lane, with clients who ask."""
    seen = tmp_path_factory.mktemp("clients") / "clients.jsonl"
    with live_traffic(impatient, (lanes[0].model,), seen, rate=10.0):
        yield Watched(impatient, lanes[0])


@contextmanager
def refusing(settings: Settings) -> Iterator[None]:
    """Have PostgreSQL turn away everybody from the product's database; those who are in are thrown out."""
    with psycopg.connect(settings.database("prefect", owner=True), autocommit=True) as connection:
        connection.execute("ALTER DATABASE firstflight ALLOW_CONNECTIONS false")
        try:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'firstflight'")
            yield
        finally:
            connection.execute("ALTER DATABASE firstflight ALLOW_CONNECTIONS true")


def test_postgres_away_for_a_while(watched: Watched) -> None:
    """Stopped in mid-rollout, ledger, predictions, Prefect and MLflow at once, and started again."""
    run = watched.start()
    with stopped(watched.settings, "postgres"):
        time.sleep(AWAY_SECONDS)  # the length of the outage is what is tested
    watched.promoted(run)


def test_a_database_that_refuses_connections_for_longer_than_a_lease(watched: Watched) -> None:
    """Its driver lives and says so: the guard must not take a silent ledger for a silent driver."""
    run = watched.start()
    with refusing(watched.settings):
        time.sleep(watched.settings.lease_seconds + 8.0)  # longer than the lease, which is what is tested
    watched.promoted(run)


def test_prefect_restarted_in_mid_run(watched: Watched) -> None:
    """Server and page away for a while: the run goes on and is told as it was."""
    run = watched.start()
    with stopped(watched.settings, "prefect"):
        time.sleep(AWAY_SECONDS)  # the length of the outage is what is tested
    watched.promoted(run)
    watched.wait(lambda: watched.orchestrator.run(run).final)
    assert "Promoted" == watched.orchestrator.run(run).state_name


def test_two_drivers_of_one_run(watched: Watched) -> None:
    """Two processes drive the same rollout at the same time: each stage is entered once, it ends once."""
    split = router(watched.backend, watched.lane.model)
    assert split is not None
    plan, run = watched.lane.plan(split.stable, (20, 60, 100), 1.0), str(uuid.uuid4())
    drivers = [attempt(watched.settings, plan, run) for _ in range(2)]
    try:
        watched.promoted(run)
    finally:
        for driver in drivers:
            driver.kill()
            driver.join()
