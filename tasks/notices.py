"""Tell people, once for each event; nothing waits for Slack."""

from prefect import task

from firstflight.acts import notices
from firstflight.acts.tell import tell, tell_end
from firstflight.domain.plans import CanaryPlan
from firstflight.rollout.machine import Rollout
from firstflight.settings import Settings
from firstflight.world import open_world
from tasks.options import CALLS_OUT
from tasks.runs import page


@task(**CALLS_OUT)
def started(rollout: Rollout) -> None:
    """The rollout has begun."""
    tell(open_world(Settings()), rollout, "started", notices.started(rollout, page()))


@task(**CALLS_OUT)
def stage_passed(rollout: Rollout) -> None:
    """A stage of a canary is good; the only one of an A/B test is told of by its end."""
    if isinstance(rollout.plan, CanaryPlan):
        event = f"stage {rollout.passed[-1]} passed"
        tell(open_world(Settings()), rollout, event, notices.stage_passed(rollout, page()))


@task(**CALLS_OUT)
def approval_wanted(rollout: Rollout, stage: int) -> None:
    """A person is asked."""
    tell(open_world(Settings()), rollout, f"approval of {stage}", notices.approval_wanted(rollout, stage, page()))


@task(**CALLS_OUT)
def ended(rollout: Rollout) -> None:
    """How the rollout ended."""
    tell_end(open_world(Settings()), rollout, page())
