"""Scikit-learn's digits: 1,797 scans of 8 by 8 pixels, 0 to 16 each, in the order in which people wrote them.

The last writers are held out: the first three fifths train, the next fifth validates, the last one tests.
"""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CLASSES = 10
PIXELS = 64
_TRAINING, _VALIDATION = 0.6, 0.8


@dataclass(frozen=True)
class Part:
    """Scans [N, 64] and what each shows, 0 to 9."""

    scans: NDArray[np.float64]
    shown: NDArray[np.int64]

    @property
    def digest(self) -> str:
        """`sha256:<hex>` of every number in it."""
        return f"sha256:{hashlib.sha256(self.scans.tobytes() + self.shown.tobytes()).hexdigest()}"


@dataclass(frozen=True)
class Digits:
    """All of them, in three parts."""

    train: Part
    validation: Part
    test: Part


def load_digits(most: int | None = None) -> Digits:
    """Return the digits that ship with scikit-learn; `most`: of the training part, the most recent so many."""
    from sklearn import datasets  # noqa: PLC0415 - it takes a second, and who only asks for names has none

    scans, shown = datasets.load_digits(return_X_y=True)
    scans, shown = np.asarray(scans, np.float64), np.asarray(shown, np.int64)
    first, second = int(_TRAINING * len(shown)), int(_VALIDATION * len(shown))
    since = 0 if most is None else max(0, first - most)

    def part(begin: int, end: int) -> Part:
        return Part(scans[begin:end], shown[begin:end])

    return Digits(part(since, first), part(first, second), part(second, len(shown)))
