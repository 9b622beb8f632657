"""A world in memory with a clock of its own: waiting makes time pass and clients ask."""

import json
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from firstflight.acts import drive as driving
from firstflight.acts.deploy import deploy, ensure_champion
from firstflight.acts.ledger_view import reread
from firstflight.domain.plans import CanaryPlan, Guardrail
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.versions import ModelVersion, Registered
from firstflight.ledger.memory import MemoryRecordStore
from firstflight.notify.notifier import LogNotifier
from firstflight.observation.memory_source import MemorySource
from firstflight.observation.records import Prediction
from firstflight.registry.directory_registry import DirectoryRegistry
from firstflight.rollout.approval import Answer
from firstflight.rollout.machine import Rollout
from firstflight.serving.lease import LeaseFile
from firstflight.serving.memory import MemoryBackend
from firstflight.world import World

MODEL = "financial-predictor"
PLAN = CanaryPlan(
    model=MODEL,
    stages=(10, 50, 100),
    approvals=(),
    stage_seconds=600,
    min_stage_seconds=30,
    warmup_seconds=0,
    check_seconds=10,
    no_data_seconds=60,
    bake_seconds=30,
    guardrails=(Guardrail(metric="error_rate", limit=0.01), Guardrail(metric="latency", limit=200, quantile=0.95)),
)


@dataclass
class Clients:
    """Who asks: `rate` requests a second over the split in force; `failing[name]` is that model's share of failures."""

    rate: float = 20.0
    failing: dict[str, float] = field(default_factory=dict)


@dataclass
class Twin:
    """A world whose time passes when it waits."""

    folder: Path
    clients: Clients = field(default_factory=Clients)
    time: datetime = datetime(2026, 1, 1, tzinfo=UTC)

    def __post_init__(self) -> None:
        self.random = random.Random(7)
        self.requests = 0
        self._counted: list[Prediction] = []
        self.source = MemorySource(lambda: self.time)
        self.backend = MemoryBackend(self.folder / "backend.json")
        self.world = World(
            backend=self.backend,
            leases=LeaseFile(self.folder / "leases" / "leases.json"),
            source=self.source,
            registry=DirectoryRegistry(self.folder / "registry"),
            ledger=MemoryRecordStore(lambda: self.time),
            notifier=LogNotifier(),
            now=lambda: self.time,
            wait=self.wait,
        )

    def wait(self, seconds: float) -> None:
        """Let time pass, second by second, and clients ask meanwhile."""
        for _ in range(max(1, round(seconds))):
            self.time += timedelta(seconds=1)
            self._ask(round(self.clients.rate))
        for name in {one.assigned for one in self._counted}:
            codes = [one.code for one in self._counted if one.assigned == name]
            self.backend.count(str(name), len(codes), sum(code >= 500 for code in codes))
        self._counted.clear()

    def register(self, variant: str, tags: dict[str, str] | None = None) -> ModelVersion:
        """Register a version whose artifact is as small as can be."""
        artifact = self.folder / "artifacts" / f"{variant}-{self.random.random()}"
        artifact.mkdir(parents=True)
        (artifact / "model.onnx").write_bytes(b"a model")
        (artifact / "model.json").write_text(json.dumps({"variant": variant, "tags": tags or {}}))
        return self.world.registry.register(MODEL, variant, artifact, tags or {})

    def champion(self) -> ModelVersion:
        """Make a first champion, served and with its traffic."""
        return ensure_champion(
            self.world, Registered(version=self.register("baseline"), passed=True, reasons=()), actor="test"
        )

    def candidate(self, variant: str = "lightweight") -> ModelVersion:
        """Register and serve a version to try."""
        version = self.register(variant)
        deploy(self.world, version)
        return version

    def in_force(self) -> TrafficSplit | None:
        """Return the split that clients meet."""
        return self.world.backend.get_traffic(MODEL)

    def _ask(self, requests: int) -> None:
        if (split := self.in_force()) is None:
            return
        names = self.random.choices(list(split.weights), weights=list(split.weights.values()), k=requests)
        asked = [self._prediction(name, "main") for name in names]
        self.source.add_predictions(asked)
        self._counted += asked

    def _prediction(self, name: str, listener: str) -> Prediction:
        self.requests += 1
        failed = self.random.random() < self.clients.failing.get(name, 0.0)
        return Prediction(
            rid=f"r{self.requests}",
            listener=listener,  # type: ignore[arg-type]  # one of the two literals
            route=MODEL,
            unit=f"u{self.requests}",
            assigned=name,
            served=name,
            prediction=0.6,
            code=500 if failed else 200,
            us=10_000,
            at=self.time,
        )


class Unanswered(Exception):  # noqa: N818 - not an error
    """The driver has asked a person, and ends."""


@dataclass
class Asking(driving.Alone):
    """Acts of a driver that asks: `given` is what people answer, None when nobody has yet."""

    given: Answer | None = None

    def answer(self, rollout: Rollout, stage: int) -> Answer:
        """Return what is given."""
        del rollout, stage
        if self.given is None:
            raise Unanswered
        return self.given


def drive(world: World, rollout: Rollout, given: Answer | None = None) -> Rollout:
    """Drive `rollout` until it has ended, or waits for a person, and return it."""
    try:
        return driving.drive(rollout, Asking(world, given))
    except Unanswered:
        return reread(world.ledger, rollout)
