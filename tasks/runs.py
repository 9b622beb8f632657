"""Which run this is."""

from prefect.runtime import flow_run


def top_run() -> str:
    """Identity of the run a person started; subflows act in its name."""
    return str(flow_run.root_flow_run_id or flow_run.id)
