"""Faults for drills: a model that is broken on purpose, the same way every time."""

import random
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from firstflight.domain.faults import FAULT_FILE, Fault
from firstflight.domain.tensors import Tensor

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


def inverted(tensor: Tensor) -> Tensor:
    """Return what is just as sure, and wrong.

    Of numbers that all lie from 0 to 1, 1 minus each; of other numbers the negative, of whole ones -1 minus each, lest
    0 stay right; of true, false; of a label one that there is not.
    """
    return replace(tensor, data=[_opposite(tensor, one) for one in tensor.data])


def _opposite(tensor: Tensor, one: Any) -> Any:
    if isinstance(one, bool):
        return not one
    if isinstance(one, int):
        return -1 - one
    if isinstance(one, float):
        return 1.0 - one if all(0 <= other <= 1 for other in tensor.data) else -one
    return f"not {one}"
