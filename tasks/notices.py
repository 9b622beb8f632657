"""Tell people, once for each event; nothing waits for Slack."""

from prefect import task

from firstflight.acts import notices
from firstflight.acts.harm import harm_of
from firstflight.acts.tell import tell
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
    """A stage is good."""
    tell(open_world(Settings()), rollout, f"stage {rollout.passed[-1]} passed", notices.stage_passed(rollout, page()))


@task(**CALLS_OUT)
def approval_wanted(rollout: Rollout, stage: int) -> None:
    """A person is asked."""
    tell(open_world(Settings()), rollout, f"approval of {stage}", notices.approval_wanted(rollout, stage, page()))


@task(**CALLS_OUT)
def ended(rollout: Rollout) -> None:
    """How the rollout ended."""
    world = open_world(Settings())
    tell(world, rollout, "ended", notices.ended(rollout, harm_of(world, rollout), page()))
