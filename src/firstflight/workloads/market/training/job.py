"""What a training process is given and what it says; see `worker`."""

from dataclasses import dataclass
from pathlib import Path

from firstflight.domain.plans import TrainingPlan
from firstflight.domain.values import Value
from firstflight.workloads.market.features.dataset import Dataset
from firstflight.workloads.market.training.trained import Epoch, FittedVariant


@dataclass(frozen=True)
class Job:
    """The arguments of `fit_variant`."""

    plan: TrainingPlan
    variant: str
    dataset: Dataset
    folder: Path
    commit: str


class Line(Value):
    """What the worker says; exactly one field is set."""

    epoch: Epoch | None = None
    fitted: FittedVariant | None = None
    failed: str | None = None
