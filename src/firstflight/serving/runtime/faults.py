"""Faults for drills: a model that is broken on purpose, the same way every time."""

import random
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firstflight.domain.faults import FAULT_FILE, Fault

SEED = 20_000
"""Equal for every server: the n-th request after a start always meets the same fate."""


def read_fault(folder: Path) -> Fault | None:
    """Return the fault that lies beside the model, None for a sound one."""
    file = folder / FAULT_FILE
    return Fault.model_validate_json(file.read_bytes()) if file.exists() else None


@dataclass
class Drill:
    """Decides, request by request, what goes wrong."""

    fault: Fault
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))  # noqa: S311 no secret depends on it

    def strikes(self) -> bool:
        """Draw whether the next request is hit."""
        return self.chance.random() < self.fault.share


def inverted(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 1 - probability: just as sure, and wrong."""
    return 1.0 - probability
