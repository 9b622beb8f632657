"""Take a model out of MLflow as it is."""

from prefect import flow
from pydantic import Field

from firstflight.acts.adopt import Adopted
from firstflight.domain.plans import AdoptPlan
from tasks import adoption
from tasks.runs import called_after_its_model


@flow(flow_run_name=called_after_its_model)
def adopt(plan: AdoptPlan = Field(description="Which model to take, and as what.")) -> Adopted:
    """Register the plan's model as a version that can be served, or fail with all that it lacks; none of it is run."""
    return adoption.adopt(plan)
