"""Which run this is, and that it hears what the library says."""

import logging

from prefect.runtime import flow_run

# Prefect hands our records to the run and its process, but leaves our logger at the root's WARNING.
logging.getLogger("firstflight").setLevel(logging.INFO)


def top_run() -> str:
    """Identity of the run a person started; subflows act in its name."""
    return str(flow_run.root_flow_run_id or flow_run.id)
