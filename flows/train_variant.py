"""Train one variant, in a run of its own: in a cluster, a job."""

from prefect import flow
from pydantic import Field, JsonValue

from firstflight.domain.plans import TrainingPlan
from firstflight.workloads.apart import TrainedApart, kept_as
from tasks import checkpoints, training
from tasks.runs import called_after_its_model


@flow(flow_run_name=called_after_its_model)
def train_variant(
    plan: TrainingPlan = Field(description="The training it is part of."),
    variant: str = Field(description="Which of its variants to train."),
    reference: dict[str, JsonValue] | None = Field(
        default=None, description="How the reference did, which a training fills in. None: this is the reference."
    ),
) -> TrainedApart:
    """Train and register `variant`, judged against `reference`; the run that asked finds the result in the ledger."""
    trained = training.train_variant(plan, variant, reference)
    result = TrainedApart.of(trained, training.register(trained))
    checkpoints.save(kept_as(variant), result.model_dump(mode="json"))
    return result
