"""Send more and more of a model's traffic to a candidate, and bring it home when it falters."""

from prefect import flow
from prefect.client.schemas import State
from pydantic import Field

from firstflight.acts.drive import drive
from firstflight.domain.plans import CanaryPlan
from firstflight.rollout.machine import Rollout
from flows.roll_back import bring_run_home
from tasks import reports, rollouts
from tasks.runs import called_after_its_model


@flow(
    flow_run_name=called_after_its_model,
    on_failure=[bring_run_home],
    on_crashed=[bring_run_home],
    on_cancellation=[bring_run_home],
)
def canary(
    plan: CanaryPlan = Field(description="What to try against what, in which stages, and what it must not spoil."),
) -> State[Rollout]:
    """Try the plan's candidate on live traffic, stage by stage; promote it, or roll back.

    `drive` does what comes next by the ledger's word, so the run may start again from the top at any moment: enter a
    stage, observe it, ask a person where the plan wants one (the run suspends), promote and bake, or roll back.
    """
    rollout = rollouts.begin(plan)
    with rollouts.handed_over(rollout):
        rollout = drive(rollout, rollouts.InTasks())
    reports.write_report(rollout)
    return reports.outcome(rollout)
