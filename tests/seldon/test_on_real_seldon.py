"""Splits and whole rollouts on a real Seldon Core, under traffic: `make test-seldon`."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import httpx
import pytest

from firstflight.acts.deploy import deploy, ensure_champion
from firstflight.acts.drive import Alone, drive
from firstflight.acts.start import resume_or_start
from firstflight.domain.errors import BackendUnavailableError, ServingError
from firstflight.domain.faults import Fault
from firstflight.domain.findings import Status
from firstflight.domain.plans import CanaryPlan, Guardrail
from firstflight.domain.samples import NoData, Sample, Window
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.versions import Registered
from firstflight.ledger.memory import MemoryRecordStore
from firstflight.notify.notifier import LogNotifier
from firstflight.observation.memory_source import MemorySource
from firstflight.observation.prometheus import PrometheusSource
from firstflight.registry.memory import MemoryRegistry
from firstflight.rollout.machine import Phase, Rollout
from firstflight.serving import gateway_series, open_leases
from firstflight.serving.inference import predict
from firstflight.serving.seldon.backend import SeldonBackend
from firstflight.serving.seldon.configuration import open_api
from firstflight.serving.seldon.diagnosis.examination import examine
from firstflight.serving.seldon.objects import name_of
from firstflight.settings import Settings
from firstflight.world import World
from tests.seldon_real import emptied, real_settings
from tests.serving_bench import MODEL, artifact, history, until

pytestmark = pytest.mark.seldon
PLAN = CanaryPlan(
    model=MODEL,
    stages=(25, 100),
    approvals=(),
    stage_seconds=120,
    min_stage_seconds=5,
    warmup_seconds=0,
    check_seconds=2,
    no_data_seconds=40,
    bake_seconds=5,
    guardrails=(Guardrail(metric="error_rate", limit=0.05), Guardrail(metric="latency", limit=300, quantile=0.9)),
)


class Requests(MemorySource):
    """Requests by Prometheus' word; nobody posts a truth."""

    def __init__(self, source: PrometheusSource) -> None:
        super().__init__()
        self._source = source

    def watermark(self, route: str) -> Window | None:
        """Return how far Prometheus is."""
        return self._source.watermark(route)

    def samples(self, route: str, name: str, window: Window, **_: object) -> Mapping[str, Sample]:
        """Return what it counted."""
        return self._source.samples(route, name, window)

    def assignments(self, route: str, window: Window) -> Mapping[str, int]:
        """Return who was asked."""
        return self._source.assignments(route, window)

    def paired(self, *_: object, **__: object) -> dict[str, NoData]:
        """Return nothing."""
        return {}


@dataclass
class Clients:
    """What clients of the route were answered."""

    answered: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


@contextmanager
def asking(url: str, threads: int = 6, seconds: float = 2.0) -> Iterator[Clients]:
    """Ask the route all the time; a client gives up after `seconds`."""
    clients, stop = Clients(), threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=seconds, trust_env=False) as client:
            while not stop.wait(0.05):
                begun = time.monotonic()
                try:
                    predict(url, MODEL, {"history": history()}, client=client)
                    clients.answered.append(time.monotonic() - begun)
                except (ServingError, BackendUnavailableError) as error:
                    clients.failed.append(str(error))

    asked = [threading.Thread(target=ask, daemon=True) for _ in range(threads)]
    for thread in asked:
        thread.start()
    try:
        yield clients
    finally:
        stop.set()
        for thread in asked:
            thread.join()


@dataclass(frozen=True)
class Bench:
    """A world whose cluster is real, with a champion that has all traffic."""

    settings: Settings
    world: World
    folder: Path

    def rollout(self, fault: Fault | None = None) -> Rollout:
        """Try a candidate that has this fault, and return how it ended."""
        number = len(self.world.registry.versions(MODEL)) + 1
        files = self.folder / str(number)
        artifact(files, number, variant="lightweight", fault=fault)
        version = self.world.registry.register(MODEL, "lightweight", files, {})
        deploy(self.world, version)
        plan = PLAN.model_copy(update={"candidate": version.number})
        return drive(resume_or_start(self.world, plan, run=f"run-{number}"), Alone(self.world))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The real thing, emptied before and after."""
    settings, folder = real_settings(), tmp_path_factory.mktemp("artifacts")
    emptied(settings)
    backend = SeldonBackend(settings)
    source = PrometheusSource(settings.prometheus_url, gateway_series(settings), lambda route: _arms(backend, route))  # type: ignore[arg-type]  # Seldon's
    leases, registry, ledger = open_leases(settings), MemoryRegistry(), MemoryRecordStore()
    world = World(backend, leases, Requests(source), registry, ledger, LogNotifier(), home_seconds=120.0)
    artifact(folder / "1", 1)
    first = Registered(version=registry.register(MODEL, "baseline", folder / "1", {}), passed=True, reasons=())
    ensure_champion(world, first, actor="test")
    yield Bench(settings, world, folder)
    emptied(settings)


def _arms(backend: SeldonBackend, route: str) -> tuple[str, ...]:
    split = backend.get_traffic(route)
    return tuple(split.weights) if split else ()


def test_a_hundred_splits_change_under_load(bench: Bench) -> None:
    """Each is proved by requests, and none of the clients' fails."""
    backend, stable = bench.world.backend, bench.world.registry.get(MODEL, "champion").served_name
    version = artifact(bench.folder / "other", 9, variant="enhanced")
    backend.deploy(version, bench.folder / "other")
    token = 1  # the ledger's first record
    with asking(bench.settings.gateway_url) as clients:
        for number in range(100):
            percent = (5, 10, 25, 50, 75, 100, 0)[number % 7]
            split = TrafficSplit.canary(stable, version.served_name, percent)
            assert split == backend.set_traffic(MODEL, split, token)
            assert split == backend.get_traffic(MODEL)
        assert TrafficSplit.all_to(stable) == backend.go_home(MODEL)
    assert [] == clients.failed
    backend.undeploy(version.served_name)


def test_the_doctor_says_what_is_so(bench: Bench) -> None:
    """Nothing fails while all is well; an object that is gone from the bucket is one line, of that model."""
    assert [] == [one for one in examine(bench.settings) if one.status is Status.FAIL]
    champion = bench.world.registry.get(MODEL, "champion").served_name
    [uri] = [one["spec"]["storageUri"] for one in open_api(bench.settings).list("models") if name_of(one) == champion]
    bucket, _, key = uri.partition("://")[2].partition("/")
    with closing(boto3.client("s3")) as store:
        held = [one["Key"] for one in store.list_objects_v2(Bucket=bucket, Prefix=key)["Contents"]]
        bodies = {name: store.get_object(Bucket=bucket, Key=name)["Body"].read() for name in held}
        for name in held:
            store.delete_object(Bucket=bucket, Key=name)
        found = [(one.id, one.subject) for one in examine(bench.settings) if one.status is Status.FAIL]
        for name, body in bodies.items():
            store.put_object(Bucket=bucket, Key=name, Body=body)
    assert [("artifact-gone", f"Model {champion}")] == found


def test_a_sound_candidate_is_promoted(bench: Bench) -> None:
    """Stage by stage, and no client's request fails."""
    with asking(bench.settings.gateway_url) as clients:
        ended = bench.rollout()
    assert (Phase.PROMOTED, []) == (ended.phase, clients.failed), ended.reasons
    split = bench.world.backend.get_traffic(MODEL)
    assert split is not None
    assert 100 == split.percent(ended.candidate.served_name)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="errors", share=0.3),
        Fault(kind="errors"),
        Fault(kind="latency", milliseconds=600.0),
        Fault(kind="latency", milliseconds=60_000.0),
    ],
    ids=["errs", "errs always", "slow", "hangs"],
)
def test_a_bad_candidate_is_brought_home(bench: Bench, fault: Fault) -> None:
    """By the driver itself, with proof, and the reason is kept."""
    with asking(bench.settings.gateway_url):
        ended = bench.rollout(fault)
    assert Phase.ROLLED_BACK is ended.phase
    assert ended.reasons
    assert TrafficSplit.all_to(ended.arms.stable.served_name) == bench.world.backend.get_traffic(MODEL)
    asked = {predict(bench.settings.gateway_url, MODEL, {"history": history()}).assigned for _ in range(40)}
    assert {ended.arms.stable.served_name} == asked


def test_what_was_deployed_can_be_ended(bench: Bench) -> None:
    """No ghost is left: the mesh leads to the champion alone."""
    backend, champion = bench.world.backend, bench.world.registry.get(MODEL, "champion")
    backend.set_traffic(MODEL, TrafficSplit.all_to(champion.served_name), 10_000)
    for name in backend.served() - {champion.served_name}:
        backend.undeploy(name)
    until(lambda: frozenset({champion.served_name}) == backend.served())
