"""Which run this is, and that it hears what the library says."""

import logging

from prefect.runtime import flow_run

from firstflight.domain.plans import ReleasePlan

# Prefect hands our records to the run and its process, but leaves our logger at the root's WARNING.
logging.getLogger("firstflight").setLevel(logging.INFO)


def top_run() -> str:
    """Identity of the run a person started; subflows act in its name."""
    return str(flow_run.root_flow_run_id or flow_run.id)


def called_after_its_model() -> str:
    """Name of a run for people, such as `canary-financial-predictor-d71b`: the same each time the run starts again."""
    plan = flow_run.parameters["plan"]
    model = plan.canary.model if isinstance(plan, ReleasePlan) else plan.model
    return f"{flow_run.flow_name}-{model}-{str(flow_run.id)[:4]}"
