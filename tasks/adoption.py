"""Adopt models out of MLflow."""

from prefect import task

from firstflight.acts.adopt import Adopted, adopt_at
from firstflight.domain.plans import AdoptPlan
from firstflight.settings import Settings
from firstflight.world import open_world
from tasks.options import CALLS_OUT


@task(**CALLS_OUT)
def adopt(plan: AdoptPlan) -> Adopted:
    """Bring the model here, check and register it."""
    settings = Settings()
    return adopt_at(
        open_world(settings), settings, plan.address, plan.model, plan.variant, by=plan.by, trust_code=plan.trust_code
    )
