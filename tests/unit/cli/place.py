"""A place where every command runs as it is written: the twin's world, and doubles of what is a process of its own."""

import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from firstflight.acts.homecoming import bring_model_home
from firstflight.acts.seal import seal
from firstflight.cli import (
    adopt,
    audit,
    demo,
    doctor,
    drill,
    freezing,
    guard,
    outcomes,
    promote,
    replay,
    roll_back,
    rollouts,
    stack,
    start,
    train,
    undeploy,
    watch,
)
from firstflight.cli import open as opening
from firstflight.cli.telling import terminal
from firstflight.cli.watch import Followed
from firstflight.domain.errors import FirstflightError, ModelNotFoundError, NotFoundError
from firstflight.domain.findings import Report, passed
from firstflight.domain.plans import TrainingPlan
from firstflight.drill.faults import FaultName, faults
from firstflight.drill.result import Clients, Drill, Result
from firstflight.drill.timeline import Timeline
from firstflight.ledger.checkpoint import Signer
from firstflight.ledger.export import write
from firstflight.ledger.keys import signer
from firstflight.ledger.memory import MemoryTree
from firstflight.observation.waiting import Labels, Waiting
from firstflight.orchestrator import FlowRun
from firstflight.registry.mlflow_rest import MlflowRest
from firstflight.replay.tally import ReplaySummary, ReplayTally
from firstflight.rollout.machine import Rollout
from firstflight.settings import Settings
from firstflight.stack.local import PartStatus
from firstflight.workloads.workload import Workload
from tests.conftest import ROOT
from tests.mlflow_bench import python_function
from tests.unit.acts.twin import MODEL, Twin, begun, drive, in_first_stage
from tests.unit.cli.doubles import RUN, Prefect, flow_run
from tests.unit.cli.test_train_command import made

PARTS = ("postgres", "prefect", "mlflow", "gateway", "collector", "outcomes", "exporter", "guard", "worker")

LABELS = Labels(
    days=7,
    models=(
        Waiting(
            route=MODEL,
            answers=9,
            waiting=2,
            oldest_waiting=datetime(2026, 1, 1, tzinfo=UTC),
            delay_p50=3.0,
            delay_p95=60.0,
        ),
    ),
    told={"new": 7},
)


class Server(Prefect):
    """Prefect's server with the deployments of this project, or with none when it is `empty`."""

    empty = False

    def emit(self, *_: object) -> None:
        """Take every event."""

    def runs(self, _identities: object) -> tuple[FlowRun, ...]:
        """Know of no run that drives."""
        return ()

    def parameters(self, deployment: str) -> dict[str, Any]:
        """What prefect.yaml gives a run of it."""
        if self.empty:
            raise NotFoundError(f"Prefect has no deployment {deployment!r}")
        known = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
        [found] = [each for each in known if deployment == f"{each['name']}/{each['name']}"]
        return {"plan": found["parameters"]["plan"]}


class Place:
    """What commands find; tests change it before they call one."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.twin, self.prefect = Twin(), Server(flow_run(name="Promoted", plan={"model": MODEL}))
        self.folder, self.parts, self.findings = folder, dict.fromkeys(PARTS, True), [passed("disk", "disk", "room")]
        self.answers: tuple[int, ...] = (200, 200)
        self.kept = True
        self.told: tuple[str, ...] = ()
        self.tree = MemoryTree(self.twin.ledger)
        self.refuses: FirstflightError | None = None
        (folder / "deployments").symlink_to(ROOT / "deployments")
        self._settings(monkeypatch)
        self._rollouts(monkeypatch)
        self._stack(monkeypatch)
        self._training(monkeypatch)
        monkeypatch.setattr("firstflight.registry.mlflow_files.fetch_model", self._fetched)
        monkeypatch.setattr(
            "firstflight.acts.adopt.python_of", lambda _: f"{sys.version_info.major}.{sys.version_info.minor}"
        )

    def asks(self) -> Rollout:
        """Have a rollout wait for a person before 50 %."""
        rollout = drive(self.twin.world, begun(self.twin, RUN, approvals=(50,), approval_seconds=3600))
        self.prefect.states[:] = [flow_run("PAUSED", "Suspended", plan={"model": MODEL})]
        return rollout

    def went_home(self) -> Rollout:
        """Have a rollout that a person has ended."""
        in_first_stage(self.twin, RUN)
        ended = bring_model_home(self.twin.world, MODEL, actor="ann", reason="complaints").rollout
        assert ended is not None
        self.prefect.states[:] = [flow_run(name="RolledBack", plan={"model": MODEL})]
        return ended

    def falters(self) -> Rollout:
        """Have the stable model fail while a candidate that keeps its limits is in its first stage."""
        rollout = in_first_stage(self.twin, RUN)
        self.twin.clients.failing = {rollout.arms.stable.served_name: 1.0}
        self.twin.wait(60)
        return rollout

    def adopted(self) -> None:
        """Have two versions of a model that came out of MLflow."""
        for variant in ("logistic", "gbm"):
            folder = python_function(self.folder / variant)
            self.twin.registry.register("churn", variant, folder, {"gate": "passed"})

    def sealed(self) -> None:
        """Have a ledger whose checkpoint was kept in a file."""
        self.went_home()
        seal(self.tree, key := signer(Settings()), self.folder / "kept.txt")
        assert key is not None
        (self.folder / "audit.pub").write_text(str(key.public))
        with (self.folder / "ledger.jsonl").open("w") as file:
            write(self.tree, file)

    def prepare(self, command: str) -> object:
        """Have so what must be, for the command to end well."""
        return {
            **dict.fromkeys(("approve", "reject", "history", "roll-back"), self.asks),
            **dict.fromkeys(("demo", "undeploy"), self.went_home),
            "audit": self.sealed,
            "deploy": self.adopted,
            "promote": self.falters,
        }.get(command, lambda: None)()

    def _settings(self, patch: pytest.MonkeyPatch) -> None:
        for name in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI", "FIRSTFLIGHT_ENVIRONMENT"):
            patch.delenv(name, raising=False)
        patch.setenv("FIRSTFLIGHT_HOME", str(self.folder / "home"))
        patch.setenv("FIRSTFLIGHT_PROJECT", str(ROOT))
        patch.setenv("FIRSTFLIGHT_LEDGER_ANCHORS", str(self.folder / "kept.txt"))
        patch.setenv("FIRSTFLIGHT_LEDGER_KEY", Signer("log", bytes(32)).secret())
        patch.setenv("COLUMNS", "80")
        patch.chdir(self.folder)

    def _rollouts(self, patch: pytest.MonkeyPatch) -> None:
        for module in (audit, demo, freezing, opening, rollouts, watch):
            patch.setattr(module, "open_store", lambda _: self.twin.ledger)
        for module in (audit, guard):
            patch.setattr(module, "open_tree", lambda _: self.tree)
        for module in (adopt, demo, guard, promote, roll_back, undeploy):
            patch.setattr(module, "open_world", lambda _: self.twin.world)
        for module in (demo, guard, opening, rollouts, start, watch):
            patch.setattr(module, "Orchestrator", lambda *_: self.prefect)
        patch.setattr(MlflowRest, "experiment", lambda *_: None)
        patch.setattr("webbrowser.open", lambda _: False)
        patch.setattr("time.sleep", lambda _: None)

    def _stack(self, patch: pytest.MonkeyPatch) -> None:
        def status(settings: Settings, *_: object) -> tuple[PartStatus, ...]:
            if self.refuses:
                raise self.refuses
            log = settings.home / "log"
            return tuple(
                PartStatus(name, up, "running" if up else "fatal", 4711 if up else None, "http://127.0.0.1:4200", log)
                for name, up in self.parts.items()
            )

        for name in ("status", "up", "down"):
            patch.setattr(stack.local, name, status)
        patch.setattr(stack.local, "slots", lambda _: (2, 48))
        patch.setattr(doctor, "examine", lambda _: Report(home="here", findings=tuple(self.findings), seconds=0.1))
        patch.setattr(opening.sign_in, "door", self._door)
        patch.setattr(opening, "listen", lambda _: None)
        patch.setattr(opening, "serve", lambda *_: None)
        patch.setattr(guard, "Polled", Unasked)
        patch.setattr(guard, "StableWatch", lambda _: Unasked())
        patch.setattr(guard, "Sealing", Unasked)
        patch.setattr(guard, "threading", SimpleNamespace(Thread=Inline, Lock=threading.Lock))
        patch.setattr(guard, "begin_log", lambda _: None)
        patch.setattr("logging.Logger.setLevel", lambda *_: None)
        patch.setattr(guard.signal, "signal", lambda *_: None)

    def _door(self, settings: Settings, _path: str) -> Path:
        if self.refuses:
            raise self.refuses
        return settings.home / "open.html"

    def _training(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(Workload, "questions", lambda *_: ())
        patch.setattr(Workload, "train", self._trained)
        patch.setattr(replay, "PredictionStore", lambda _: None)
        patch.setattr(outcomes, "PredictionStore", lambda _: SimpleNamespace(tell=lambda _rows: self.told))
        patch.setattr(outcomes, "labels", lambda *_: LABELS)
        patch.setattr(replay, "run", self._replayed)
        patch.setattr(drill, "run", self._drilled)
        patch.setattr(train, "MlflowRegistry", lambda _: self.twin.registry)
        patch.setattr(train, "MlflowTracker", lambda _: None)
        patch.setattr(demo, "console", terminal())
        patch.setattr(demo, "live_traffic", lambda *_: nullcontext())
        patch.setattr(demo, "champion", lambda *_: None)
        patch.setattr(demo, "register_broken", lambda *_: self.twin.candidate())
        patch.setattr(demo, "follow", lambda _prefect, _ledger, run, *_: Followed(run, ()))
        patch.setattr(demo, "environment", lambda _: {})

    def _fetched(self, _uri: str, address: str, folder: Path) -> Path:
        if "/9" in address:
            raise ModelNotFoundError(f"no model at {address}")
        return python_function(folder / "model", **({"inputs": None, "example": False} if "/8" in address else {}))

    async def _replayed(self, *_: object, **__: object) -> ReplaySummary:
        tally = ReplayTally(MODEL)
        for status in self.answers:
            tally.record(status, None, 0.01, 0.0)
        return tally.summary(1.0)

    def _drilled(
        self, _settings: Settings, model: str, names: tuple[FaultName, ...], *_: object, **__: object
    ) -> Drill:
        at = datetime(2026, 1, 1, tzinfo=UTC)
        moments = {each: at + timedelta(seconds=n) for n, each in enumerate(Timeline.model_fields)}
        results = tuple(
            Result(
                fault=faults(guard_seconds=3.0)[name],
                times=Timeline.model_validate(moments),
                broken=() if self.kept else ("nobody decided in time",),
                by="guard",
                way="eviction",
                candidate_requests=1234,
                candidate_failed=1200,
                clients=Clients(asked=5678, failed=0),
            )
            for name in names
        )
        ended = at + timedelta(minutes=2)
        return Drill(
            id="drill-1", model=model, route=f"{model}-drill", began_at=at, ended_at=ended, actor="ann", results=results
        )

    def _trained(self, plan: TrainingPlan, *_: object, **__: object) -> tuple[Any, ...]:
        if self.refuses:
            raise self.refuses
        return tuple(made(plan, variant, self.folder / variant) for variant in plan.variants)


class Inline:
    """A thread that has done its work when it is started: what a test sees does not hang on who is quicker."""

    def __init__(self, *, target: Callable[..., object], args: tuple[object, ...] = (), **_: object) -> None:
        self._work = partial(target, *args)

    def start(self) -> None:
        """Do it."""
        self._work()


class Unasked:
    """Runs of which nobody is told anything, and a watch that sees nothing."""

    def __init__(self, *_: object) -> None:
        pass

    def start(self) -> None:
        """Begin nothing."""

    def rounds(self) -> None:
        """Go none."""

    def follow(self, drivers: object) -> None:
        """Hear of nobody."""

    def over(self, driver: str) -> None:
        """Know of no end."""

    def pause(self, seconds: float) -> None:
        """Wait for nothing."""
