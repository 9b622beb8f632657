"""The acts of a rollout, one task each."""

from prefect import task

from firstflight.acts import compare as comparing
from firstflight.acts import enter_stage as entering
from firstflight.acts import observe as observing
from firstflight.acts import promote as promoting
from firstflight.acts import roll_back as rolling_back
from firstflight.acts import start as starting
from firstflight.acts.ledger_view import reread as read_again
from firstflight.decision import Decision
from firstflight.plans import ABTestPlan, CanaryPlan
from firstflight.rollout import Rollout
from firstflight.settings import Settings
from firstflight.world import open_world
from tasks.artifacts import Progress
from tasks.options import CALLS_OUT
from tasks.runs import top_run


@task(**CALLS_OUT)
def begin_canary(plan: CanaryPlan) -> Rollout:
    """Start the rollout, or go on with the one this run started."""
    with open_world(Settings()) as world:
        return starting.resume_or_start(world, plan, starting.canary_arms(world, plan), run=top_run())


@task(**CALLS_OUT)
def begin_ab_test(plan: ABTestPlan) -> Rollout:
    """Start the comparison, or go on with the one this run started."""
    with open_world(Settings()) as world:
        return starting.resume_or_start(world, plan, starting.ab_test_arms(world, plan), run=top_run())


@task(**CALLS_OUT)
def enter_stage(rollout: Rollout, stage: int) -> Rollout:
    """Set the stage's split and read it back."""
    with open_world(Settings()) as world:
        return entering.enter_stage(world, rollout, stage)


@task(**CALLS_OUT)
def observe(rollout: Rollout) -> Decision | None:
    """Check until the stage is decided; the progress artifact follows every check."""
    with open_world(Settings()) as world:
        return observing.observe(world, rollout, observing.canary_plan(rollout), Progress(rollout).update)


@task(**CALLS_OUT)
def compare(rollout: Rollout) -> Decision | None:
    """Wait for the planned requests and compare the variants."""
    with open_world(Settings()) as world:
        return comparing.compare_variants(world, rollout, Progress(rollout).update)


@task(**CALLS_OUT)
def pass_stage(rollout: Rollout, decision: Decision) -> Rollout:
    """Write down that the stage is good."""
    with open_world(Settings()) as world:
        return entering.pass_stage(world, rollout, decision.reasons)


@task(**CALLS_OUT)
def intend_roll_back(rollout: Rollout, decision: Decision) -> Rollout:
    """Write down that traffic is to go back, and why."""
    with open_world(Settings()) as world:
        return rolling_back.intend_roll_back(world, rollout, decision.reasons, trigger=decision.verdict.value)


@task(**CALLS_OUT)
def roll_back(rollout: Rollout) -> Rollout:
    """Everything to the stable model, verified."""
    with open_world(Settings()) as world:
        return rolling_back.roll_back(world, rollout)


@task(**CALLS_OUT)
def promote(rollout: Rollout) -> Rollout:
    """Make the candidate the stable model."""
    with open_world(Settings()) as world:
        return promoting.promote(world, rollout)


@task(**CALLS_OUT)
def conclude(rollout: Rollout) -> Rollout:
    """End the A/B test: everything back to its control."""
    with open_world(Settings()) as world:
        return promoting.conclude(world, rollout)


@task(**CALLS_OUT)
def reread(rollout: Rollout) -> Rollout:
    """Read where the rollout stands."""
    with open_world(Settings()) as world:
        return read_again(world.ledger, rollout)
