"""Train the variants of a model, judge them offline and register them."""

from prefect import flow

from firstflight.plans import TrainingPlan
from firstflight.release import Trained
from tasks import training


@flow
def train(plan: TrainingPlan) -> Trained:
    """Train the plan's variants and register each, with what the offline gate said of it."""
    trained = training.train_variants(plan)
    return Trained(variants={variant.variant: training.register(variant) for variant in trained})
