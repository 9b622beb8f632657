"""Train variants and register them."""

from typing import cast

from prefect import task
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment

from firstflight.acts.register import register as register_variant
from firstflight.domain.errors import TrainingFailedError
from firstflight.domain.plans import TrainingPlan
from firstflight.domain.versions import Registered
from firstflight.registry.mlflow_tracker import MlflowTracker
from firstflight.settings import Settings
from firstflight.workloads.market.training.apart import TrainedApart, kept_as
from firstflight.workloads.market.training.evaluation import Evaluation
from firstflight.workloads.market.training.provenance import git_commit
from firstflight.workloads.market.training.trained import TrainedVariant
from firstflight.workloads.market.training.variants import VariantName
from firstflight.world import open_world
from tasks.checkpoints import loaded
from tasks.options import CALLS_OUT
from tasks.runs import top_run


def is_separate() -> bool:
    """Whether each variant is trained in a run of its own here."""
    return Settings().separate_training


@task(**CALLS_OUT)
def train_apart(plan: TrainingPlan, variant: VariantName, reference: Evaluation | None) -> TrainedApart:
    """Train one variant in a run of its own, unless that is done; wait for it and return what it left."""
    if (kept := loaded(kept_as(variant))) is None:
        parameters = {
            "plan": plan.model_dump(mode="json"),
            "variant": variant,
            "reference": reference.model_dump(mode="json") if reference else None,
        }
        # Prefect types it for callers that await it too
        run = cast("FlowRun", run_deployment("train-variant/train-variant", parameters=parameters))
        if (kept := loaded(kept_as(variant))) is None:
            raise TrainingFailedError(f"{variant}: its run {run.name} ended without a result: {run.state}")
    return TrainedApart.model_validate(kept)


@task(**CALLS_OUT)
def train_variant(plan: TrainingPlan, variant: VariantName, reference: Evaluation | None) -> TrainedVariant:
    """Train one variant of the plan; `reference` is what the gate compares with, none for the reference itself."""
    (trained,) = _train(plan.model_copy(update={"variants": (variant,)}), reference)
    return trained


@task(**CALLS_OUT)
def train_variants(plan: TrainingPlan) -> tuple[TrainedVariant, ...]:
    """Train the plan's variants side by side; loss curves go to MLflow while they train."""
    return _train(plan, None)


def _train(plan: TrainingPlan, reference: Evaluation | None) -> tuple[TrainedVariant, ...]:
    # A release that goes on after its canary's approval has trained long since, and does not wait for these.
    from firstflight.workloads.market.data.market import load_market  # noqa: PLC0415 - as above
    from firstflight.workloads.market.training.side_by_side import train_side_by_side  # noqa: PLC0415 - as above

    settings = Settings()
    return train_side_by_side(
        plan,
        load_market(settings.data_file(plan.data), settings.fear_index_file),
        settings.home / "training" / top_run(),
        MlflowTracker(settings.mlflow_uri),
        commit=git_commit(settings.project),
        reference=reference,
    )


@task(**CALLS_OUT)
def register(trained: TrainedVariant) -> Registered:
    """Register one trained variant, refused ones too: the record of why is kept with it."""
    return register_variant(open_world(Settings()).registry, trained)
