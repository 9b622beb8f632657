"""Break rollouts of copies on purpose, and see them come home."""

from typing import Any

from prefect import flow
from prefect.client.schemas import State
from pydantic import Field

from firstflight.domain.plans import WORKLOAD
from firstflight.drill.faults import FaultName, alone
from tasks import drills


@flow
def fire_drill(
    model: str = Field(default="financial-predictor", description="Model whose champion is copied for the drill."),
    faults: list[FaultName] = Field(
        default=list(alone()), description="What to break. gateway breaks every route's requests for about a second."
    ),
    workload: str = Field(default=WORKLOAD, description="What the model is about; it says what to ask."),
) -> State[Any]:
    """Measure, fault by fault, how a staged rollout comes home; fail when one did not as promised."""
    done = drills.run_drill(model, faults, workload)
    drills.show(done)
    return drills.outcome(done)
