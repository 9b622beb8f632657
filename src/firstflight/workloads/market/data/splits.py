"""Train, validation and test are periods of time, with an embargo before each boundary."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Days = NDArray[np.datetime64]

EMBARGO_DAYS = 21
"""Trading days left out before a boundary, so that no label or slow feature reaches across it."""

VALIDATION_FROM = np.datetime64("2016-01-01", "D")
TEST_FROM = np.datetime64("2019-01-01", "D")
VALIDATION_SHARE, TEST_SHARE = 0.2, 0.2


@dataclass(frozen=True)
class Period:
    """Days `since … until`, both included, on which a prediction is made."""

    since: np.datetime64
    until: np.datetime64

    def holds(self, days: Days) -> NDArray[np.bool_]:
        """Say for each day whether it lies in the period."""
        return (days >= self.since) & (days <= self.until)

    def __str__(self) -> str:
        return f"{self.since}…{self.until}"


@dataclass(frozen=True)
class Splits:
    """The three parts, in order of time; days between them are the embargo and belong to none."""

    train: Period
    validation: Period
    test: Period


def splits_at(days: Days, validation_from: np.datetime64, test_from: np.datetime64) -> Splits:
    """Cut the trading `days` (ascending, unique) at two dates, `EMBARGO_DAYS` taken off the end of the first two parts.

    Raises:
        ValueError: A part would be empty.
    """
    parts = []
    edges = [0, *(int(np.searchsorted(days, cut)) for cut in (validation_from, test_from)), len(days)]
    for first, end, embargo in zip(edges, edges[1:], (EMBARGO_DAYS, EMBARGO_DAYS, 0), strict=False):
        last = end - embargo - 1
        if last < first:
            raise ValueError(
                f"{end - first} trading days between cuts at {validation_from} and {test_from}, "
                f"more than the embargo of {embargo} are needed"
            )
        parts.append(Period(days[first], days[last]))
    return Splits(*parts)


def proportional_splits(days: Days) -> Splits:
    """Cut the trading `days` (ascending, unique) into 60 % train, 20 % validation, 20 % test. Raises as `splits_at`."""
    n = len(days)
    test_at = n - round(n * TEST_SHARE)
    validation_at = test_at - round(n * VALIDATION_SHARE)
    if not 0 < validation_at < test_at < n:
        raise ValueError(f"{n} trading days cannot be cut into three parts")
    return splits_at(days, days[validation_at], days[test_at])
