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
        rows = np.flatnonzero(mask)
        return self if rows.size == mask.size else type(self)(**{name: getattr(self, name)[rows] for name in _COLUMNS})

    @classmethod
    def joined(cls, parts: Sequence["Events"]) -> Self:
        """Return the rows of all parts, one part after the other."""
        full = [part for part in parts if len(part)]
        if len(full) < 2:
            return cls(**{name: getattr((*full, parts[0])[0], name) for name in _COLUMNS})
        return cls(**{name: np.concatenate([getattr(part, name) for part in full]) for name in _COLUMNS})


_COLUMNS = tuple(column.name for column in fields(Events))


def right(prediction: Floats, truth: Floats) -> Bools:
    """Return whether the predicted class came true."""
    return (prediction >= 0.5) == (truth >= 0.5)


def squared_error(prediction: Floats, truth: Floats) -> Floats:
    """Return Brier's score of each answer."""
    return np.square(prediction - truth)


def earned(prediction: Floats, payoff: Floats) -> Floats:
    """Return what acting on each answer paid; a negative prediction is not acted on and pays nothing."""
    return np.where(prediction >= 0.5, payoff, 0.0)
