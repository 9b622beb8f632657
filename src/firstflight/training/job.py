"""What a training process is given and what it says; see `worker`."""

from dataclasses import dataclass
from pathlib import Path

from firstflight.features.dataset import Dataset
from firstflight.plans import TrainingPlan
from firstflight.training.trained import Epoch, FittedVariant
from firstflight.training.variants import VariantName
from firstflight.values import Value


@dataclass(frozen=True)
class Job:
    """The arguments of `fit_variant`."""

    plan: TrainingPlan
    variant: VariantName
    dataset: Dataset
    folder: Path
    commit: str


class Line(Value):
    """What the worker says; exactly one field is set."""

    epoch: Epoch | None = None
    fitted: FittedVariant | None = None
    failed: str | None = None
