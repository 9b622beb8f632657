"""Train the variants of a model, judge them offline and register them."""

from prefect import flow
from pydantic import Field

from firstflight.domain.plans import TrainingPlan
from firstflight.domain.versions import Trained
from firstflight.workloads.apart import TrainedApart
from firstflight.workloads.find import filled, find
from tasks import training
from tasks.runs import called_after_its_model


@flow(flow_run_name=called_after_its_model)
def train(plan: TrainingPlan = Field(description="Which variants to train, on what, and for how long.")) -> Trained:
    """Train the plan's variants and register each, with what the offline gate said of it."""
    plan = filled(plan)
    return apart(plan) if training.is_separate() else side_by_side(plan)


def side_by_side(plan: TrainingPlan) -> Trained:
    """Train all variants in this run, each in a process of its own."""
    trained = training.train_variants(plan)
    return Trained(variants={variant.variant: training.register(variant) for variant in trained})


def apart(plan: TrainingPlan) -> Trained:
    """Train each variant in a run of its own: first the one that the others are judged against, then those at once."""
    found: dict[str, TrainedApart] = {}
    first = find(plan.workload).reference
    others = [variant for variant in plan.variants if variant != first]
    for together in ([variant for variant in plan.variants if variant == first], others):
        reference = found[first].validation if first in found else None
        runs = {variant: training.train_apart.submit(plan, variant, reference) for variant in together}
        found |= {variant: run.result() for variant, run in runs.items()}
    return Trained(variants={variant: found[variant].registered for variant in plan.variants})
