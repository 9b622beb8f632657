"""Train variants and register them."""

from prefect import task

from firstflight.acts.register import register as register_variant
from firstflight.data.market import load_market
from firstflight.plans import TrainingPlan
from firstflight.registry.mlflow_tracker import MlflowTracker
from firstflight.release import Registered
from firstflight.settings import Settings
from firstflight.training.provenance import git_commit
from firstflight.training.side_by_side import train_side_by_side
from firstflight.training.trained import TrainedVariant
from firstflight.world import open_world
from tasks.options import CALLS_OUT
from tasks.runs import top_run


@task(**CALLS_OUT)
def train_variants(plan: TrainingPlan) -> tuple[TrainedVariant, ...]:
    """Train the plan's variants side by side; loss curves go to MLflow while they train."""
    settings = Settings()
    market = load_market(settings.data_file(plan.data), settings.fear_index_file)
    folder = settings.home / "training" / top_run()
    return train_side_by_side(
        plan, market, folder, MlflowTracker(settings.mlflow_uri), commit=git_commit(settings.project)
    )


@task(**CALLS_OUT)
def register(trained: TrainedVariant) -> Registered:
    """Register one trained variant, refused ones too: the record of why is kept with it."""
    return register_variant(open_world(Settings()).registry, trained)
