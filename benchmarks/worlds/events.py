"""What happened, one row for each request. Times are seconds since the rollout began."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

STABLE, CANDIDATE = 0, 1
ARMS = (STABLE, CANDIDATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Columns of equal length.

    `risk` is the chance with which the request was to fail, given the moment it came in. `known` is when its label
    arrives (infinite: never), `closes` the moment before which its block cannot be complete. `mirrored` is what the
    other model predicted about the same unit, NaN where it was not asked or failed.
    """

    arrived: Floats
    answered: Floats
    known: Floats
    closes: Floats
    unit: Ints
    block: Ints
    stage: Ints
    arm: Ints
    failed: Bools
    risk: Floats
    latency: Floats
    prediction: Floats
    mirrored: Floats
    truth: Floats
    payoff: Floats

    def __len__(self) -> int:
        return self.arrived.size

    def where(self, mask: Bools) -> Self:
        """Return the rows that `mask` names."""
        return type(self)(**{column.name: getattr(self, column.name)[mask] for column in fields(self)})

    @classmethod
    def joined(cls, parts: Sequence["Events"]) -> Self:
        """Return the rows of all parts, one part after the other."""
        return cls(**{each.name: np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(cls)})


def right(prediction: Floats, truth: Floats) -> Bools:
    """Return whether the predicted class came true."""
    return (prediction >= 0.5) == (truth >= 0.5)


def squared_error(prediction: Floats, truth: Floats) -> Floats:
    """Return Brier's score of each answer."""
    return np.square(prediction - truth)


def earned(prediction: Floats, payoff: Floats) -> Floats:
    """Return what acting on each answer paid; a negative prediction is not acted on and pays nothing."""
    return np.where(prediction >= 0.5, payoff, 0.0)
