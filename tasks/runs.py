"""Which run this is."""

from prefect.runtime import flow_run

from firstflight.orchestrator import Orchestrator
from firstflight.settings import Settings


def top_run() -> str:
    """Identity of the run a person started; subflows act in its name."""
    return str(flow_run.root_flow_run_id or flow_run.id)


def page() -> str:
    """Address of that run's page."""
    return Orchestrator(Settings().prefect_page).run_page(top_run())
