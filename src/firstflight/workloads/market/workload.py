"""The financial predictor as a workload; what trains and asks is imported when it is needed."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import JsonValue

from firstflight.domain.plans import TrainingPlan
from firstflight.settings import Settings
from firstflight.workloads.market.exports import EXPORTS
from firstflight.workloads.market.guardrails import GUARDRAILS
from firstflight.workloads.market.training.evaluation import Evaluation
from firstflight.workloads.market.training.trained import Epoch
from firstflight.workloads.market.training.variants import REFERENCE, VARIANTS
from firstflight.workloads.scores import BINARY, binary
from firstflight.workloads.workload import TrainedModel, Training, Workload

if TYPE_CHECKING:
    from firstflight.domain.questions import Question


def train(plan: TrainingPlan, training: Training) -> tuple[TrainedModel, ...]:
    """Train side by side, each variant in a process of its own."""
    # A release that goes on after its canary's approval has trained long since, and does not wait for these.
    from firstflight.workloads.market.data.market import load_market  # noqa: PLC0415 - as above
    from firstflight.workloads.market.training.side_by_side import train_side_by_side  # noqa: PLC0415 - as above

    def on_epoch(variant: str, epoch: Epoch) -> None:
        figures = f"loss {epoch.validation_loss:.4f}, AUC {epoch.validation_auc:.4f} (validation)"
        training.on_step(variant, epoch.number, f"epoch {epoch.number}/{plan.max_epochs}  {figures}")

    settings = training.settings
    trained = train_side_by_side(
        plan,
        load_market(settings.data_file(plan.data), settings.fear_index_file),
        training.folder,
        training.tracker,
        commit=training.commit,
        on_epoch=on_epoch,
        reference=Evaluation.model_validate(training.reference) if training.reference else None,
    )
    return tuple(one.told for one in trained)


def believed(answer: JsonValue) -> JsonValue:
    """Return 1.0 for a probability that is positive, else 0.0."""
    return binary(answer, 1.0, None)["accuracy"]


def questions(settings: Settings, data: str | None) -> "Iterator[Question]":
    """Ask about each traded instrument of the test part, day after day."""
    from firstflight.workloads.market.data.market import load_market  # noqa: PLC0415 - numpy and pandas come with it
    from firstflight.workloads.market.features.held_out import held_out_questions  # noqa: PLC0415 - as above

    return held_out_questions(load_market(settings.data_file(data), settings.fear_index_file))


WORKLOAD = Workload(
    name="market",
    metrics=BINARY,
    score=binary,
    model="financial-predictor",
    guardrails=GUARDRAILS,
    variants=tuple(VARIANTS),
    reference=REFERENCE,
    weights={"baseline": 50, "enhanced": 30, "lightweight": 20},
    shadow="lightweight",
    trains=train,
    exports=EXPORTS,
    believes=believed,
    asks=questions,
)
