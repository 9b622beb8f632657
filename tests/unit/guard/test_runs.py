"""The guard hears of runs that are over, and waits for nobody to hear it."""

import time
from collections.abc import Collection
from threading import Event, Semaphore
from threading import enumerate as enumerate_threads
from uuid import UUID

import pytest

from firstflight.acts.enter_stage import enter_stage
from firstflight.acts.ledger_view import current
from firstflight.acts.start import resume_or_start
from firstflight.domain.errors import OrchestratorUnavailableError
from firstflight.guard.guard import Guard
from firstflight.guard.runs import Polled
from firstflight.orchestrator import FlowRun
from firstflight.rollout.machine import Phase, Rollout, stream
from tests.unit.acts.twin import MODEL, PLAN, Twin, drive, in_first_stage

RUN = "5f3c9a52-9a3f-4d35-9f61-8f8f5a3b5a11"


class Prefect:
    """Says of each run what it was set to."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.asked: list[frozenset[str]] = []
        self.told: dict[str, str] = {}

    def runs(self, identities: Collection[str]) -> tuple[FlowRun, ...]:
        """Those it knows."""
        self.asked.append(frozenset(identities))
        return tuple(
            FlowRun.model_validate(
                {"id": one, "name": "blue-crow", "state_type": state, "state_name": state.title(), "message": "why"}
            )
            for one, state in self.states.items()
            if one in identities
        )

    def answers(self, _: UUID) -> dict[str, str]:
        """What people have answered."""
        return dict(self.told)


@pytest.fixture
def prefect() -> Prefect:
    """An orchestrator that knows no run yet."""
    return Prefect()


@pytest.fixture
def runs(prefect: Prefect) -> Polled:
    """What is heard of it, when it is asked by hand."""
    return Polled(prefect.runs, prefect.answers, lambda: None)


def guard_of(twin: Twin, runs: Polled) -> Guard:
    """A guard that hears of runs."""
    return Guard(twin.world, runs=runs, monotonic=lambda: twin.time.now)


@pytest.mark.parametrize("state", ["CANCELLING", "CANCELLED", "CRASHED", "FAILED"])
def test_a_run_that_is_over_is_brought_home_in_the_next_round(
    twin: Twin, prefect: Prefect, runs: Polled, state: str
) -> None:
    """A person has cancelled it, or it died: nobody waits for its lease to run out."""
    rollout, guard = in_first_stage(twin, RUN), guard_of(twin, runs)
    prefect.states[RUN] = "RUNNING"
    assert () == guard.round()
    runs.ask()
    assert () == guard.round()
    prefect.states[RUN] = state
    runs.ask()
    [home] = guard.round()
    assert f"flow run blue-crow is {state.title()}: why" == home.reason
    told = current(twin.world.ledger, MODEL)
    assert told is not None
    assert (rollout.id, Phase.ROLLED_BACK) == (told.id, told.phase)
    assert rollout.home == twin.world.backend.get_traffic(MODEL)


def test_a_suspended_run_that_is_cancelled_is_brought_home(twin: Twin, prefect: Prefect, runs: Polled) -> None:
    """No process of it lives, and its lease lasts for as long as people may take to answer."""
    rollout = asking(twin)
    assert Phase.AWAITING_APPROVAL is rollout.phase
    guard = guard_of(twin, runs)
    prefect.states[RUN] = "PAUSED"
    assert () == guard.round()
    runs.ask()
    assert () == guard.round()
    prefect.states[RUN] = "CANCELLED"
    runs.ask()
    assert 1 == len(guard.round())
    assert rollout.home == twin.world.backend.get_traffic(MODEL)


NO = '{"approver": "ada", "decision": "reject", "comment": "not on a Friday"}'


def asking(twin: Twin) -> Rollout:
    """A rollout that has passed 10 % and asks about 50 %; no process of its run lives."""
    plan = PLAN.model_copy(update={"candidate": twin.candidate().number, "approvals": (50,), "approval_seconds": 3600})
    return drive(twin.world, resume_or_start(twin.world, plan, run=RUN))


@pytest.mark.parametrize("state", ["SCHEDULED", "PENDING"])
def test_a_no_is_home_before_its_run_is(twin: Twin, prefect: Prefect, runs: Polled, state: str) -> None:
    """Traffic first, then the run: the guard reads the answer that Prefect has taken, and ends it as that person's."""
    rollout, guard = asking(twin), guard_of(twin, runs)
    prefect.states[RUN] = "PAUSED"
    runs.follow([RUN])
    runs.ask()
    assert () == guard.round()
    prefect.states[RUN], prefect.told = state, {f"{rollout.id}-50-1": NO}
    runs.ask()
    [home] = guard.round()
    assert ("ada rejected: not on a Friday", True) == (home.reason, home.recorded)
    assert rollout.home == twin.world.backend.get_traffic(MODEL)
    records = twin.world.ledger.read(stream(MODEL), after=rollout.head)
    kinds = [record.kind for record in records if not record.kind.startswith("told")]
    assert ["driver.attached", "approval.answered", "rollout.rolled_back"] == kinds
    assert {"ada"} == {record.actor for record in records}
    assert () == guard.round()
    ended = resume_or_start(twin.world, rollout.plan, run=RUN)  # when the run goes on at last
    assert (Phase.ROLLED_BACK, (home.reason,)) == (ended.phase, ended.reasons)


@pytest.mark.parametrize(
    "told",
    [
        {"50-1": NO.replace("reject", "approve")},
        {"10-1": NO},  # of another stage
        {"5-1": NO, "500-1": NO},
        {"50-1": '{"decision": "reject"}'},  # nobody's
        {"50-1": "reject"},
        {},
    ],
)
def test_nothing_but_a_no_to_what_is_asked_leads_home(
    twin: Twin, prefect: Prefect, runs: Polled, told: dict[str, str]
) -> None:
    """A yes is the run's to follow, and what cannot be read is the run's to refuse."""
    rollout, guard = asking(twin), guard_of(twin, runs)
    prefect.states[RUN], prefect.told = "SCHEDULED", {f"{rollout.id}-{name}": one for name, one in told.items()}
    runs.follow([RUN])
    runs.ask()
    assert () == guard.round()
    assert rollout.split == twin.world.backend.get_traffic(MODEL)


def test_an_old_no_ends_no_stage_that_observes(twin: Twin, prefect: Prefect, runs: Polled) -> None:
    """A run that crashed and is scheduled again still has every answer: only an open question takes one."""
    rollout, guard = in_first_stage(twin, RUN), guard_of(twin, runs)
    prefect.states[RUN], prefect.told = "SCHEDULED", {f"{rollout.id}-10-1": NO}
    runs.follow([RUN])
    runs.ask()
    assert () == guard.round()


def test_an_answer_ends_the_wait_once(prefect: Prefect, runs: Polled) -> None:
    """As the end of a run does."""
    runs.follow([RUN])
    prefect.states[RUN], prefect.told = "SCHEDULED", {"m-r1-50-1": NO}
    assert_ends_the_wait_once(runs)


def test_who_is_no_run_is_not_asked_for(twin: Twin, prefect: Prefect, runs: Polled) -> None:
    """A drill's process and a person drive as well; nobody is asked while nobody drives."""
    plan = PLAN.model_copy(update={"candidate": twin.candidate().number})
    enter_stage(twin.world, resume_or_start(twin.world, plan, run="drill-1-errors"), 10)
    guard_of(twin, runs).round()
    runs.ask()
    assert [] == prefect.asked


def assert_ends_the_wait_once(runs: Polled) -> None:
    """What is heard at the next question is news, and the same is none at the one after it."""
    runs.ask()
    began = time.monotonic()
    runs.pause(60)
    assert time.monotonic() - began < 30
    runs.ask()
    began = time.monotonic()
    runs.pause(0.05)
    assert time.monotonic() - began >= 0.05


def test_news_end_the_wait(prefect: Prefect, runs: Polled) -> None:
    """The next round begins when a run is found to be over, not when it was due; once for each run."""
    runs.follow([RUN])
    prefect.states[RUN] = "CANCELLING"
    assert_ends_the_wait_once(runs)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # by which the test ends the thread
def test_an_orchestrator_that_is_away_costs_no_round(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked in a thread, again and again; what is not heard is not over."""
    for pause in ("EVERY_SECONDS", "IDLE_SECONDS"):
        monkeypatch.setattr(f"firstflight.guard.runs.{pause}", 0.01)
    asked, enough = Semaphore(0), Event()

    def away(_: Collection[str]) -> Collection[FlowRun]:
        if enough.is_set():
            raise SystemExit  # ends the thread, which the guard's never does
        asked.release()
        raise OrchestratorUnavailableError("Prefect does not answer")

    runs = Polled(away, lambda _: {}, lambda: None)
    in_first_stage(twin, RUN)
    guard = guard_of(twin, runs)
    assert () == guard.round()
    runs.start()
    [thread] = [one for one in enumerate_threads() if one.name == "runs"]
    try:
        assert all(asked.acquire(timeout=120) for _ in range(2))
        assert () == guard.round()
    finally:
        enough.set()
        thread.join(timeout=120)
    assert not thread.is_alive()


def test_a_guard_without_an_orchestrator_waits_by_its_own_clock(twin: Twin) -> None:
    """As in a drill, in model checking, and where Prefect was never there."""
    began = twin.time.now
    assert [] == list(Guard(twin.world, monotonic=lambda: twin.time.now).rounds(3.0, 6.0))
    assert twin.time.now - began >= 6
