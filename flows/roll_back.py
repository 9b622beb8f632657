"""Bring a model's traffic home."""

from uuid import UUID

from prefect import flow
from prefect.client.schemas import FlowRun, State
from prefect.flows import Flow
from pydantic import Field

from firstflight.acts.tell import tell_ended
from firstflight.domain.values import Name, Words
from firstflight.rollout.machine import Rollout
from tasks import homecoming, reports, rollouts


@flow
def roll_back(
    model: str | None = Field(default=None, description="Model to bring home. None: every model with an open rollout."),
    run: UUID | None = Field(default=None, description="Or: flow run whose rollouts are to end; automations say it."),
    reason: Words = Field(default="asked for by a person", description="Why; it is kept in the record."),
    by: Name | None = Field(default=None, description="Who you are; it is kept in the record."),
) -> State[list[Rollout]]:
    """End open rollouts at their stable model and tell people. Running it twice, or with none open, does no harm."""
    ended = homecoming.bring_home(model=model, run=str(run) if run else None, reason=reason, by=by)
    for rollout in ended:
        rollouts.InTasks().tell(tell_ended, rollout)
    for rollout in ended:
        reports.write_report(rollout)
    return homecoming.outcome(ended)


def bring_run_home(flow: Flow[..., object], flow_run: FlowRun, state: State) -> None:
    """End what `flow_run` left open: called by Prefect when it failed, crashed or was cancelled."""
    homecoming.bring_run_home(
        str(flow_run.id),
        f"flow run {flow.name}/{flow_run.name} ended {state.name}: {state.message}",
        asked=state.is_cancelled() or state.is_cancelling(),
    )
