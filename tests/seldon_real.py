"""A real Seldon Core that somebody else has started, named by the environment; nothing here builds or fetches it.

`SELDON_MESH` and `SELDON_STATS` are where its Envoy answers (`http://host:9000`, `http://host:9003/stats/prometheus`),
`SELDON_PROMETHEUS` the Prometheus that scrapes it, `SELDON_NAMESPACE` where its models live (`firstflight`); KUBECONFIG
names its API, boto3's own variables the storage that its Secret `model-storage` opens. The namespace has no Models and
Experiments, and is left so.

`SELDON_DO` is a command that breaks parts and brings them back, called with two words more: `kill` ends at once, and
`start` has it back when it returns, a `scheduler`, a `replica-0`, `replica-1` or `replica-2` of the Server `mlserver`
(its agent, model server and rclone), or the `agent-0` … alone, whose pod goes on saying that it is ready; `freeze` and
`thaw` an agent, which then answers nobody; `oom` has a pod end as the kernel would, `evict` as a drain. Where whoever
runs it may not do so, tests of outages are skipped.

`SELDON_PREFECT` is the API of a Prefect whose runs are Jobs there, by an overlay of `k8s/overlays`; the Deployments
`prefect-worker` and `guard` have no replica, since a guard knows one ledger: the tests of Jobs have them up and down.
`SELDON_PREFECT_AUTH` is its password; `SELDON_MLFLOW` and `SELDON_DATABASE` are what runs use, and know no model yet.
"""

import os
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from firstflight.acts.deploy import deploy, ensure_champion
from firstflight.acts.drive import Alone, drive
from firstflight.acts.start import resume_or_start
from firstflight.domain.errors import BackendUnavailableError, ServingError
from firstflight.domain.faults import Fault
from firstflight.domain.plans import CanaryPlan, Guardrail
from firstflight.domain.samples import NoData, Sample, Window
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.versions import Registered
from firstflight.ledger.memory import MemoryRecordStore
from firstflight.notify.notifier import LogNotifier
from firstflight.observation.memory_source import MemorySource
from firstflight.observation.prometheus import PrometheusSource
from firstflight.registry.memory import MemoryRegistry
from firstflight.rollout.approval import Answer
from firstflight.rollout.machine import Rollout, stream
from firstflight.serving import gateway_series, open_leases
from firstflight.serving.inference import predict
from firstflight.serving.seldon.api import Api
from firstflight.serving.seldon.backend import SeldonBackend
from firstflight.serving.seldon.configuration import open_api
from firstflight.settings import Settings
from firstflight.world import World
from tests.serving_bench import MODEL, artifact, history, until

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


def real_settings() -> Settings:
    """Return the settings that name it; skip where the environment names none."""
    if not (os.environ.get("SELDON_MESH") and os.environ.get("SELDON_STATS") and os.environ.get("KUBECONFIG")):
        pytest.skip("SELDON_MESH, SELDON_STATS and KUBECONFIG name no Seldon")
    return Settings(
        backend="seldon",
        namespace=os.environ.get("SELDON_NAMESPACE", "firstflight"),
        mesh_url=os.environ["SELDON_MESH"],
        mesh_stats_url=os.environ["SELDON_STATS"],
        prometheus_url=os.environ.get("SELDON_PROMETHEUS", "http://127.0.0.1:9090"),
    )


def emptied(settings: Settings) -> Api:
    """Return the API once no Model, Experiment or lease of ours is left in the namespace."""
    api = open_api(settings)
    for plural in ("experiments", "models", "leases"):
        for one in api.list(plural):
            api.delete(plural, one["metadata"]["name"])
    return api


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


@dataclass
class Approving(Alone):
    """Acts of a driver that asks a person, who approves; `asked` is before which stages."""

    asked: list[int] = field(default_factory=list)

    def answer(self, rollout: Rollout, stage: int) -> Answer:
        """Approve."""
        del rollout
        self.asked.append(stage)
        return Answer(approver="ada", decision="approve", comment="it keeps its limits")


@dataclass(frozen=True)
class Bench:
    """A world whose cluster is real, with a champion that has all traffic."""

    settings: Settings
    world: World
    folder: Path

    def rollout(self, fault: Fault | None = None, acts: Alone | None = None, **changes: object) -> Rollout:
        """Try a candidate that has this fault by `PLAN` with `changes`, and return how it ended."""
        number = len(self.world.registry.versions(MODEL)) + 1
        files = self.folder / str(number)
        artifact(files, number, variant="lightweight", says=0.4 + number / 100, fault=fault)  # equal ones are one
        version = self.world.registry.register(MODEL, "lightweight", files, {})
        deploy(self.world, version)
        plan = PLAN.model_copy(update={"candidate": version.number, **changes})
        return drive(resume_or_start(self.world, plan, run=f"run-{number}"), acts or Alone(self.world))

    @contextmanager
    def once(self, kind: str, happens: Callable[[], None]) -> Iterator[None]:
        """Have something happen beside the block, when the first record of that kind is written in it."""
        head, over = self.world.ledger.head(stream(MODEL)), threading.Event()

        def written() -> bool:
            return any(kind == one.kind for one in self.world.ledger.read(stream(MODEL), head))

        def wait() -> None:
            until(lambda: over.is_set() or written(), 600)
            assert written(), f"the rollout has ended without {kind}"
            happens()

        with ThreadPoolExecutor(1) as beside:
            happened = beside.submit(wait)
            try:
                yield
            finally:
                over.set()
            happened.result()

    def is_home(self, ended: Rollout) -> bool:
        """Whether all that is asked, and all that is said, is of the rollout's stable model."""
        stable = ended.arms.stable.served_name
        asked = {predict(self.settings.gateway_url, MODEL, {"history": history()}).assigned for _ in range(40)}
        return asked == {stable} and self.world.backend.get_traffic(MODEL) == TrafficSplit.all_to(stable)


Break = Callable[[str, str], None]
"""Does something, `kill`, `start`, `freeze` or `thaw`, to a part of Seldon, and returns once it is done."""


def breaking() -> Break:
    """Return what breaks parts of it; skip where the environment says no way."""
    if not (command := shlex.split(os.environ.get("SELDON_DO", ""))):
        pytest.skip("SELDON_DO names no command that kills and starts parts of Seldon")

    def do(what: str, part: str) -> None:
        subprocess.run([*command, what, part], check=True, capture_output=True, timeout=300)

    return do


@contextmanager
def real_bench(folder: Path) -> Iterator[Bench]:
    """Open the real thing, emptied before and after."""
    settings = real_settings()
    emptied(settings)
    backend = SeldonBackend(settings)
    source = PrometheusSource(settings.prometheus_url, gateway_series(settings), lambda route: _arms(backend, route))  # type: ignore[arg-type]  # Seldon's
    leases, registry, ledger = open_leases(settings), MemoryRegistry(), MemoryRecordStore()
    world = World(backend, leases, Requests(source), registry, ledger, LogNotifier(), home_seconds=600.0)
    artifact(folder / "1", 1)
    first = Registered(version=registry.register(MODEL, "baseline", folder / "1", {}), passed=True, reasons=())
    ensure_champion(world, first, actor="test")
    yield Bench(settings, world, folder)
    emptied(settings)


def _arms(backend: SeldonBackend, route: str) -> tuple[str, ...]:
    split = backend.get_traffic(route)
    return tuple(split.weights) if split else ()
