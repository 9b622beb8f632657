"""Train variants and register them."""

from collections.abc import Mapping
from typing import cast

from prefect import task
from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from pydantic import JsonValue

from firstflight.acts.register import register as register_variant
from firstflight.domain.errors import TrainingFailedError
from firstflight.domain.plans import TrainingPlan
from firstflight.domain.versions import Registered
from firstflight.registry.mlflow_tracker import MlflowTracker
from firstflight.settings import Settings
from firstflight.workloads.apart import TrainedApart, kept_as
from firstflight.workloads.find import find
from firstflight.workloads.provenance import git_commit
from firstflight.workloads.workload import TrainedModel, Training
from firstflight.world import open_world
from tasks.checkpoints import loaded
from tasks.options import CALLS_OUT
from tasks.runs import top_run


def is_separate() -> bool:
    """Whether each variant is trained in a run of its own here."""
    return Settings().separate_training


@task(**CALLS_OUT)
def train_apart(plan: TrainingPlan, variant: str, reference: Mapping[str, JsonValue] | None) -> TrainedApart:
    """Train one variant in a run of its own, unless that is done; wait for it and return what it left."""
    if (kept := loaded(kept_as(variant))) is None:
        parameters = {
            "plan": plan.model_dump(mode="json"),
            "variant": variant,
            "reference": dict(reference) if reference else None,
        }
        # Prefect types it for callers that await it too
        run = cast("FlowRun", run_deployment("train-variant/train-variant", parameters=parameters))
        if (kept := loaded(kept_as(variant))) is None:
            raise TrainingFailedError(f"{variant}: its run {run.name} ended without a result: {run.state}")
    return TrainedApart.model_validate(kept)


@task(**CALLS_OUT)
def train_variant(plan: TrainingPlan, variant: str, reference: Mapping[str, JsonValue] | None) -> TrainedModel:
    """Train one variant of the plan; `reference` is what the gate compares with, none for the reference itself."""
    (trained,) = _train(plan.model_copy(update={"variants": (variant,)}), reference)
    return trained


@task(**CALLS_OUT)
def train_variants(plan: TrainingPlan) -> tuple[TrainedModel, ...]:
    """Train the plan's variants side by side; loss curves go to MLflow while they train."""
    return _train(plan, None)


def _train(plan: TrainingPlan, reference: Mapping[str, JsonValue] | None) -> tuple[TrainedModel, ...]:
    settings = Settings()
    training = Training(
        settings,
        settings.home / "training" / top_run(),
        MlflowTracker(settings.mlflow_uri),
        commit=git_commit(settings.project),
        reference=reference,
    )
    return find(plan.workload).train(plan, training)


@task(**CALLS_OUT)
def register(trained: TrainedModel) -> Registered:
    """Register one trained variant, refused ones too: the record of why is kept with it."""
    return register_variant(open_world(Settings()).registry, trained)
