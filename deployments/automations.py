"""Automations as code: what Prefect does when a run can no longer act for itself.

Hooks run only while a process lives to run them. A suspended run that is cancelled or times out,
and a run whose worker died with it, have none: these automations start `roll-back` for them.
`python -m deployments.automations` creates or updates them; running it twice changes nothing.
"""

from datetime import timedelta

from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.states import StateType

from firstflight.orchestrator import AUTOMATIONS, BROUGHT_HOME

BRING_HOME, CRASH_SILENT, CRASH_UNBEGUN = AUTOMATIONS
MOVES_TRAFFIC = ("ab-test", "canary", "release")
ENDED_BADLY = {f"prefect.flow-run.{state}" for state in ("Failed", "Crashed", "Cancelled", "TimedOut", BROUGHT_HOME)}
"""The last is home already: what is left are the report and the notice."""


def bring_home(roll_back: str, flows: dict[str, str]) -> Automation:
    """A run that moves traffic and ended badly → the `roll-back` deployment, for that run."""
    template = {"__prefect_kind": "jinja", "template": "{{ flow_run.id }}"}
    told = "flow run {{ flow_run.name }} ended {{ flow_run.state.name }}: {{ flow_run.state.message or 'no message' }}"
    reason = {"__prefect_kind": "jinja", "template": told}
    return Automation(
        name=BRING_HOME,
        description="A release, canary or A/B test that failed, crashed, was cancelled or timed out is rolled back.",
        trigger=EventTrigger(
            expect=ENDED_BADLY,
            match_related={"prefect.resource.id": [f"prefect.flow.{identity}" for identity in flows.values()]},
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[RunDeployment(deployment_id=roll_back, parameters={"run": template, "reason": reason})],
    )


def crash_silent_runs() -> Automation:
    """A run whose heartbeats stop → Crashed, which the other automation then sees."""
    return Automation(
        name=CRASH_SILENT,
        description="Three heartbeats (30 s each) missed: the process and its worker are gone.",
        trigger=_silence({"heartbeat"}, timedelta(seconds=90)),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message="no heartbeat for 90 s")],
    )


def crash_runs_that_never_begin(within: timedelta = timedelta(minutes=10)) -> Automation:
    """A run that a worker took and nobody started → Crashed: Prefect would leave it so for ever.

    Crashed, not scheduled again: a process that is late would make two. Ten minutes are time to pull an image. A worker
    of Kubernetes says soon after `Pending` that it submits, and then that it waits for the job: each begins the time
    anew.
    """
    return Automation(
        name=CRASH_UNBEGUN,
        description="Its worker died between claiming the run and starting it.",
        trigger=_silence({"Pending", "Submitting", "InfrastructurePending"}, within),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=f"claimed by a worker, not begun in {within}")],
    )


def _silence(after: set[str], within: timedelta) -> EventTrigger:
    """Nothing more is heard of a run for so long after one of these events of it."""
    return EventTrigger(
        after={f"prefect.flow-run.{event}" for event in after},
        expect={"prefect.flow-run.*"},
        match={"prefect.resource.id": ["prefect.flow-run.*"]},
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=within,
    )


def register() -> tuple[str, ...]:
    """Create the automations, or bring existing ones up to date, and return their names."""
    with get_client(sync_client=True) as client:
        roll_back = client.read_deployment_by_name("roll-back/roll-back")
        flows = {name: str(client.read_flow_by_name(name).id) for name in MOVES_TRAFFIC}
        wanted = (bring_home(str(roll_back.id), flows), crash_silent_runs(), crash_runs_that_never_begin())
        for automation in wanted:
            for existing in client.read_automations_by_name(automation.name):
                client.delete_automation(existing.id)
            automation.create()
    return tuple(automation.name for automation in wanted)


if __name__ == "__main__":
    for name in register():
        print(f"automation: {name}")
