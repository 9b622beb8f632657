"""Whole rollouts in the twin, driven by one process."""

from dataclasses import dataclass
from typing import Any

from benchmarks.faults.twin import MODEL, Twin
from firstflight.acts import drive as driving
from firstflight.acts.enter_stage import enter_stage
from firstflight.acts.ledger_view import reread
from firstflight.acts.start import resume_or_start
from firstflight.domain.plans import ABTestPlan, CanaryPlan, Guardrail
from firstflight.rollout.approval import Answer
from firstflight.rollout.machine import Rollout
from firstflight.world import World

__all__ = ["AB_TEST", "MODEL", "PLAN", "Twin", "begun", "drive", "in_first_stage"]

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

AB_TEST = ABTestPlan(
    model=MODEL,
    weights={"baseline": 80, "lightweight": 20},
    control="baseline",
    shadow=None,
    requests=1000,
    seconds=300,
    check_seconds=10,
    guardrails=(Guardrail(metric="error_rate", limit=0.01, margin=0.05),),
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


def begun(twin: Twin, run: str = "run-1", **changes: Any) -> Rollout:
    """Begin a canary of a new candidate by PLAN with `changes`; the first one makes the champion too."""
    if not twin.registry.versions(MODEL):
        twin.champion()
    plan = PLAN.model_copy(update={"candidate": twin.candidate().number, **changes})
    return resume_or_start(twin.world, plan, run=run)


def in_first_stage(twin: Twin, run: str = "run-1", **changes: Any) -> Rollout:
    """The same, entered into its first stage."""
    return enter_stage(twin.world, begun(twin, run, **changes), PLAN.stages[0])
