"""The acts of a rollout, one task each."""

from prefect import task

from firstflight.acts import compare as comparing
from firstflight.acts import enter_stage as entering
from firstflight.acts import observe as observing
from firstflight.acts import promote as promoting
from firstflight.acts import roll_back as rolling_back
from firstflight.acts import start as starting
from firstflight.acts.ledger_view import reread as read_again
from firstflight.comparison.compare import Comparison
from firstflight.decision.verdicts import Decision
from firstflight.domain.plans import ABTestPlan, CanaryPlan
from firstflight.rollout.machine import Rollout
from firstflight.settings import Settings
from firstflight.world import open_world
from tasks.artifacts import Progress
from tasks.options import CALLS_OUT, WATCHES
from tasks.runs import top_run


@task(**CALLS_OUT)
def begin_canary(plan: CanaryPlan) -> Rollout:
    """Start the rollout, or go on with the one this run started."""
    return starting.start_canary(open_world(Settings()), plan, run=top_run())


@task(**CALLS_OUT)
def begin_ab_test(plan: ABTestPlan) -> Rollout:
    """Start the comparison, or go on with the one this run started."""
    return starting.start_ab_test(open_world(Settings()), plan, run=top_run())


@task(**CALLS_OUT)
def enter_stage(rollout: Rollout, stage: int) -> Rollout:
    """Set the stage's split and read it back."""
    return entering.enter_stage(open_world(Settings()), rollout, stage)


@task(**WATCHES)
def observe(rollout: Rollout) -> Decision | None:
    """Check until the stage is decided; the progress artifact follows every check."""
    return observing.observe(open_world(Settings()), rollout, Progress(rollout).update)


@task(**WATCHES)
def compare(rollout: Rollout) -> Decision | None:
    """Wait for the planned requests and compare the variants."""
    return comparing.compare_variants(open_world(Settings()), rollout, Progress(rollout).update)


@task(**CALLS_OUT)
def pass_stage(rollout: Rollout, decision: Decision) -> Rollout:
    """Write down that the stage is good."""
    return entering.pass_stage(open_world(Settings()), rollout, decision.reasons)


@task(**CALLS_OUT)
def intend_roll_back(rollout: Rollout, decision: Decision) -> Rollout:
    """Write down that traffic is to go back, and why."""
    return rolling_back.intend_roll_back(
        open_world(Settings()), rollout, decision.reasons, trigger=decision.verdict.value
    )


@task(**CALLS_OUT)
def roll_back(rollout: Rollout) -> Rollout:
    """Everything to the stable model, verified."""
    return rolling_back.roll_back(open_world(Settings()), rollout)


@task(**CALLS_OUT)
def promote(rollout: Rollout) -> Rollout:
    """Make the candidate the stable model."""
    return promoting.promote(open_world(Settings()), rollout)


@task(**WATCHES)
def bake(rollout: Rollout) -> Decision | None:
    """Watch the new champion."""
    return observing.bake(open_world(Settings()), rollout, Progress(rollout).update)


@task(**CALLS_OUT)
def finish(rollout: Rollout, decision: Decision) -> Rollout:
    """End the rollout with the candidate as the stable model."""
    return promoting.finish(open_world(Settings()), rollout, decision.reasons)


@task(**CALLS_OUT)
def conclude(rollout: Rollout) -> Rollout:
    """End the A/B test: everything back to its control."""
    return promoting.conclude(open_world(Settings()), rollout)


@task(**CALLS_OUT)
def rejoin(rollout: Rollout) -> Rollout:
    """Read where the rollout stands after this run was refused."""
    return rolling_back.rejoin(open_world(Settings()), rollout)


@task(**CALLS_OUT)
def reread(rollout: Rollout) -> Rollout:
    """Read where the rollout stands."""
    return read_again(open_world(Settings()).ledger, rollout)


@task(**CALLS_OUT)
def comparison_of(rollout: Rollout) -> Comparison | None:
    """Return what the A/B test found, or None when it ended before it could tell."""
    return comparing.comparison_in(open_world(Settings()).ledger, rollout)
