"""Approval by a person: the run suspends, its process gone, until somebody answers."""

from datetime import UTC, datetime

from prefect import task
from prefect.flow_runs import suspend_flow_run
from prefect.runtime import flow_run

from firstflight.acts import approve
from firstflight.rollout.approval import Answer, key
from firstflight.rollout.machine import Rollout
from firstflight.settings import Settings
from firstflight.world import open_world
from tasks.options import CALLS_OUT
from tasks.runs import page


@task(**CALLS_OUT)
def ask(rollout: Rollout, stage: int) -> Rollout:
    """Write down that a person is asked, and tell people where to answer."""
    return approve.ask(open_world(Settings()), rollout, stage, page())


@task(**CALLS_OUT)
def record_answer(rollout: Rollout, stage: int, answer: Answer) -> Rollout:
    """Write down who answered what."""
    return approve.answer(open_world(Settings()), rollout, stage, answer)


def wait_for_answer(rollout: Rollout, stage: int) -> Answer:
    """Suspend the run until somebody answers; it starts again from the top with the answer stored.

    Past the deadline Prefect fails the run, and the automation brings traffic home.
    """
    left = (rollout.answer_by(stage) - datetime.now(UTC)).total_seconds()
    question = key(rollout.id, stage, flow_run.run_count)
    form = suspend_flow_run(wait_for_input=Answer, key=question, timeout=max(1, int(left)))
    return Answer(approver=form.approver, decision=form.decision, comment=form.comment)
