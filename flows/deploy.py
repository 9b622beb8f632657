"""Serve registered versions of a model."""

from prefect import flow
from pydantic import Field

from firstflight.domain.plans import DeployPlan
from tasks import serving
from tasks.runs import called_after_its_model


@flow(flow_run_name=called_after_its_model)
def deploy(plan: DeployPlan = Field(description="Which versions to serve.")) -> list[str]:
    """Serve the plan's versions and return their served names.

    No traffic moves; a route that has none yet, as after a restore, is opened to its champion when that is served.
    """
    served = [serving.deploy_version(plan.model, number) for number in plan.versions]
    if plan.shadow is not None:
        served.append(serving.deploy_shadow(plan.model, plan.shadow))
    serving.open_route(plan.model)
    return served
