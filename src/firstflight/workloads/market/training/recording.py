"""Round a fit: open its run in the tracker, log while it goes, ask the gate and write the card. Needs no torch."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from firstflight.domain.plans import TrainingPlan
from firstflight.workloads.market.data.market import Market
from firstflight.workloads.market.training.evaluation import Evaluation
from firstflight.workloads.market.training.gate import judge
from firstflight.workloads.market.training.model_card import FILE, model_card
from firstflight.workloads.market.training.trained import Epoch, FittedVariant, OnEpoch, TrainedVariant
from firstflight.workloads.market.training.variants import VARIANTS
from firstflight.workloads.tracking import TrackedRun, Tracker, ending


def conclude(
    fitted: FittedVariant,
    market: Market,
    run: TrackedRun,
    *,
    reference: Evaluation | None,
    others: Mapping[str, Evaluation],
) -> TrainedVariant:
    """Ask the gate, write the card into the artifact, `others` beside it, and log figures and files."""
    trained = TrainedVariant(**dict(fitted), gate=judge(fitted.validation, reference), run=run.id)
    (trained.artifact / FILE).write_text(model_card(trained, market, others), encoding="utf-8")
    run.log_figures(
        {
            **trained.validation.figures("validation"),
            **trained.test.figures("test"),
            "best_epoch": trained.best_epoch,
            "gate_passed": float(trained.gate.passed),
            "cpu_seconds": trained.cpu_seconds,
        }
    )
    run.log_folder(trained.artifact)
    return trained


@contextmanager
def tracked(
    tracker: Tracker, plan: TrainingPlan, variant: str, training_data_hash: str, commit: str
) -> Iterator[TrackedRun]:
    """Open a run for one variant and close it, as failed when the block raises."""
    design = VARIANTS[variant]
    run = tracker.start(
        plan.model,
        variant,
        {
            "variant": variant,
            "hidden": str(design.hidden),
            "layers": str(design.layers),
            "dropout": str(design.dropout),
            "attention": str(design.attention),
            "groups": ",".join(design.groups),
            **{name: str(value) for name, value in plan.model_dump(exclude={"model", "variants"}).items()},
        },
        {"git_commit": commit, "training_data_hash": training_data_hash, "variant": variant},
    )
    with ending(run):
        yield run


def epochs_to(run: TrackedRun, also: Callable[[Epoch], None] | None = None) -> OnEpoch:
    """Return a callback that logs each epoch to `run`, and gives it to `also`."""

    def on_epoch(epoch: Epoch) -> None:
        run.log_epoch(epoch.number, epoch.model_dump(exclude={"number"}))
        if also is not None:
            also(epoch)

    return on_epoch
