"""Small plans for the real stack, and a client that starts runs and waits for them."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from firstflight.acts.deploy import deploy
from firstflight.acts.ledger_view import checks, history
from firstflight.domain.faults import Fault, with_fault
from firstflight.domain.plans import ABTestPlan, CanaryPlan, Guardrail, ReleasePlan, TrainingPlan
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.values import Value
from firstflight.domain.versions import ModelVersion
from firstflight.ledger import open_store
from firstflight.orchestrator import FlowRun, Orchestrator, basic
from firstflight.rollout.machine import Phase, Rollout
from firstflight.serving import open_backend
from firstflight.settings import Settings
from firstflight.stack.parts import parts
from firstflight.supervision.supervisor import Supervisor
from firstflight.world import open_world

MODEL = "financial-predictor"
GUARDRAILS = (
    Guardrail(metric="error_rate", limit=0.01, margin=0.1),
    Guardrail(metric="latency", limit=500.0, quantile=0.95),
    Guardrail(metric="accuracy", direction="higher_is_better", margin=0.05, proves=False),
)
CANARY = CanaryPlan(
    model=MODEL,
    stages=(25, 50, 100),
    approvals=(50,),
    stage_seconds=60,
    min_stage_seconds=2,
    warmup_seconds=0,
    check_seconds=1,
    approval_seconds=120,
    no_data_seconds=20,
    bake_seconds=2,
    guardrails=GUARDRAILS,
)
# 360 requests to the cheaper variant, of market days that share their luck, show its accuracy within 25 points each
# time; within 10 they do not.
RELEASE = ReleasePlan(
    training=TrainingPlan(model=MODEL, max_epochs=4, max_rows=12_000, variants=("baseline", "lightweight")),
    ab_test=ABTestPlan(
        model=MODEL,
        weights={"baseline": 70, "lightweight": 30},
        shadow="lightweight",
        requests=1200,
        seconds=120,
        check_seconds=1,
        guardrails=(*GUARDRAILS[:2], GUARDRAILS[2].model_copy(update={"margin": 0.25})),
    ),
    canary=CANARY,
)


class Runs:
    """Start runs of deployments, wait for them and read what the ledger says of them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.orchestrator = Orchestrator(settings.prefect_api, settings.prefect_auth)

    def start(self, deployment: str, plan: Value) -> FlowRun:
        """Start a run with one parameter, its plan."""
        return self.orchestrator.start(deployment, {"plan": plan.model_dump(mode="json")})

    def wait(self, run: UUID | str, until: Callable[[FlowRun], bool], seconds: float = 480.0) -> FlowRun:
        """Poll until `until` holds for the run, and return it; fail with its state past the deadline."""
        deadline = time.monotonic() + seconds
        while not until(found := self.orchestrator.run(run)):
            assert time.monotonic() < deadline, (
                f"after {seconds} s run {found.name} is {found.state_name}: {found.message}"
            )
            assert not found.final, f"run {found.name} ended early, {found.state_name}: {found.message}"
            time.sleep(0.25)
        return found

    def suspended(self, run: UUID | str) -> FlowRun:
        """Wait until the run waits for a person."""
        return self.wait(run, lambda found: found.suspended)

    def ended(self, run: UUID | str) -> FlowRun:
        """Wait until the run has ended."""
        return self.wait(run, lambda found: found.final)

    def rollout(self, run: UUID | str) -> Rollout:
        """Return the last rollout the run started."""
        mine = [one for one in history(open_store(self.settings), MODEL) if one.run == str(run)]
        return mine[-1]

    def observing(self, run: UUID | str, seconds: float = 180.0) -> Rollout:
        """Wait until the run's rollout observes a stage, with at least two checks made."""
        deadline = time.monotonic() + seconds
        while True:
            if told := [one for one in history(open_store(self.settings), MODEL) if one.run == str(run)]:
                if told[-1].phase is Phase.OBSERVING and len(checks(open_store(self.settings), told[-1])) > 1:
                    return told[-1]
                assert not told[-1].final, f"rollout ended early: {told[-1].phase} {told[-1].reasons}"
            found = self.orchestrator.run(run)
            if found.final or time.monotonic() > deadline:
                seen = told[-1].phase if told else "no rollout"
                pytest.fail(f"{seen}; run {found.name} is {found.state_name}: {found.message}")
            time.sleep(0.25)

    def home(self, run: UUID | str, seconds: float = 180.0) -> Rollout:
        """Wait until the run's rollout has ended, whoever ended it."""
        deadline = time.monotonic() + seconds
        while not (found := self.rollout(run)).final:
            assert time.monotonic() < deadline, f"rollout still {found.phase} after {seconds} s"
            time.sleep(0.25)
        return found


def prefect(settings: Settings) -> httpx.Client:
    """Open a client of the stack's Prefect API, for what `Orchestrator` does not ask."""
    return httpx.Client(base_url=settings.prefect_api, auth=basic(settings.prefect_auth), timeout=30.0, trust_env=False)


def candidate(runs: Runs, name: str, fault: Fault | None = None) -> ModelVersion:
    """Register and serve another copy of the champion, broken when a fault is given."""
    world = open_world(runs.settings)
    champion = world.registry.get(MODEL, "champion")
    with tempfile.TemporaryDirectory() as folder:
        artifact = world.registry.fetch(champion, Path(folder) / "good")
        artifact = with_fault(artifact, fault, Path(folder) / "broken") if fault else artifact
        version = world.registry.register(MODEL, champion.variant, artifact, {"copy": name})
    deploy(world, version)
    return version


def canary(runs: Runs, version: ModelVersion, plan: CanaryPlan = CANARY) -> FlowRun:
    """Start a canary of `version`, served anew if its last way home had to stop it."""
    if not open_backend(runs.settings).is_ready(version.served_name):
        deploy(open_world(runs.settings), version)
    return runs.start("canary/canary", plan.model_copy(update={"candidate": version.number}))


def assert_home(runs: Runs, rollout: Rollout) -> None:
    """The rollout ended rolled back, and the router reports the stable model alone."""
    assert Phase.ROLLED_BACK is rollout.phase
    assert TrafficSplit.all_to(rollout.arms.stable.served_name) == open_backend(runs.settings).get_traffic(MODEL)


@contextmanager
def stopped(settings: Settings, name: str, seconds: float = 240.0) -> Iterator[None]:
    """Keep one part of the stack down while the block runs; it is well again afterwards."""
    supervisor = Supervisor(settings.supervisor_folder)
    [part] = [part for part in parts(settings, supervisor) if part.name == name]
    supervisor.remove(name)
    try:
        yield
    finally:
        supervisor.add(part.program())
        deadline = time.monotonic() + seconds
        while not part.is_well():
            assert time.monotonic() < deadline, f"{name} is not well after {seconds} s"
            time.sleep(0.2)
