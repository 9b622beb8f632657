"""Compare variants of a model on live traffic."""

from prefect import flow
from prefect.client.schemas import State
from pydantic import Field

from firstflight.acts.drive import drive
from firstflight.domain.plans import ABTestPlan
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
def ab_test(plan: ABTestPlan = Field(description="Which variants to compare, and for how long.")) -> State[Rollout]:
    """Split traffic over the plan's variants for its number of requests, compare, and go back to the control."""
    rollout = rollouts.begin(plan)
    with rollouts.handed_over(rollout):
        rollout = drive(rollout, rollouts.InTasks())
    reports.write_report(rollout)
    return reports.outcome(rollout)
