"""Train one variant in this process."""

import resource
import time
from pathlib import Path

from firstflight.domain.plans import TrainingPlan
from firstflight.workloads.market.data.market import Market
from firstflight.workloads.market.features.dataset import Dataset, build_dataset
from firstflight.workloads.market.training.evaluation import Evaluation, evaluate
from firstflight.workloads.market.training.export import export
from firstflight.workloads.market.training.fit import fit, predict
from firstflight.workloads.market.training.recording import conclude, epochs_to, tracked
from firstflight.workloads.market.training.trained import FittedVariant, OnEpoch, Origin, TrainedVariant
from firstflight.workloads.market.training.variants import VARIANTS
from firstflight.workloads.tracking import Tracker


def train_variant(
    plan: TrainingPlan,
    variant: str,
    market: Market,
    folder: Path,
    tracker: Tracker,
    *,
    commit: str,
    reference: Evaluation | None = None,
) -> TrainedVariant:
    """Train one variant in this process; its artifact lies in `folder/<variant>`.

    `reference` is the validation evaluation the gate compares with; none: the variant is the reference.

    Raises:
        TrainingFailedError: It cannot be fitted, evaluated or exported.
    """
    dataset = build_dataset(market, VARIANTS[variant].groups, plan.max_rows)
    with tracked(tracker, plan, variant, dataset.digest, commit) as run:
        fitted = fit_variant(plan, variant, dataset, folder, commit=commit, on_epoch=epochs_to(run))
        return conclude(fitted, market, run, reference=reference, others={})


def fit_variant(
    plan: TrainingPlan, variant: str, dataset: Dataset, folder: Path, *, commit: str, on_epoch: OnEpoch
) -> FittedVariant:
    """Fit, evaluate and export one variant to `folder/<variant>`; needs no network and no tracker."""
    wall, cpu = time.perf_counter(), _cpu_seconds()
    fitted = fit(VARIANTS[variant], dataset, plan, on_epoch)
    up_share = float(dataset.train.y.mean())
    validation = evaluate(predict(fitted.network, dataset.validation.x), dataset.validation, up_share)
    test = evaluate(predict(fitted.network, dataset.test.x), dataset.test, up_share)
    origin = Origin(
        model=plan.model,
        variant=variant,
        seed=plan.seed,
        training_data_hash=dataset.digest,
        git_commit=commit,
        weights_digest=fitted.weights_digest,
    )
    artifact = export(folder / variant, origin, fitted, dataset, validation=validation, test=test)
    return FittedVariant(
        **origin.model_dump(),
        artifact=artifact,
        features=dataset.transform.features,
        parameters=sum(p.numel() for p in fitted.network.parameters()),
        training_rows=len(dataset.train),
        epochs=fitted.epochs,
        best_epoch=fitted.best_epoch,
        validation=validation,
        test=test,
        wall_seconds=time.perf_counter() - wall,
        cpu_seconds=_cpu_seconds() - cpu,
    )


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
