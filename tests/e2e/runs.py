"""Small plans for the real stack, and a client that starts runs and waits for them."""

import time
from collections.abc import Callable
from uuid import UUID

from firstflight.acts.ledger_view import history
from firstflight.ledger import open_store
from firstflight.orchestrator import FlowRun, Orchestrator
from firstflight.plans import ABTestPlan, CanaryPlan, Guardrail, ReleasePlan, TrainingPlan
from firstflight.rollout import Rollout
from firstflight.settings import Settings
from firstflight.values import Value

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
    guardrails=GUARDRAILS,
)
RELEASE = ReleasePlan(
    training=TrainingPlan(model=MODEL, max_epochs=4, max_rows=12_000, variants=("baseline", "lightweight")),
    ab_test=ABTestPlan(
        model=MODEL,
        weights={"baseline": 70, "lightweight": 30},
        shadow="lightweight",
        requests=1200,
        seconds=120,
        check_seconds=1,
        guardrails=GUARDRAILS,
    ),
    canary=CANARY,
)


class Runs:
    """Start runs of deployments, wait for them and read what the ledger says of them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.orchestrator = Orchestrator(settings.prefect_api)

    def start(self, deployment: str, plan: Value) -> FlowRun:
        """Start a run with one parameter, its plan."""
        return self.orchestrator.start(deployment, {"plan": plan.model_dump(mode="json")})

    def wait(self, run: UUID | str, until: Callable[[FlowRun], bool], seconds: float = 180.0) -> FlowRun:
        """Poll until `until` holds for the run, and return it; fail with its state past the deadline."""
        deadline = time.monotonic() + seconds
        while not until(found := self.orchestrator.run(run)):
            assert time.monotonic() < deadline, f"run {found} after {seconds} s"
            assert not found.final, f"run ended early: {found}"
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

    def home(self, run: UUID | str, seconds: float = 60.0) -> Rollout:
        """Wait until the run's rollout has ended, whoever ended it."""
        deadline = time.monotonic() + seconds
        while not (found := self.rollout(run)).final:
            assert time.monotonic() < deadline, f"rollout still {found.phase} after {seconds} s"
            time.sleep(0.25)
        return found
