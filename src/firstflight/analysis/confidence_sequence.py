"""Intervals for raw values that hold at every look together, for whoever has the values and not their sums.

The chance that the truth is *ever* left out, however long and however often one looks, is at most `alpha`; an interval
of a single look promises that once. Values must be independent and alike, or at least keep the mean (or the quantile)
given all before them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firstflight.analysis.bounded_mean import STAKE_WEIGHTS, STAKES, cost
from firstflight.analysis.exceedance import quantile_interval
from firstflight.analysis.proportion import Interval


class Ends(NamedTuple):
    """Lower and upper ends after each value; never wider than after the one before."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]


def bounded_mean_sequence(values: Sequence[float], low: float, high: float, alpha: float = 0.05) -> Ends:
    """Return intervals for the mean of values between `low` and `high`, after each of them: exact for any number.

    The bets of `bounded_mean` with the mean so far as the guess of each value (and the middle for the first), half of
    `alpha` for either side, and the intersection of all intervals so far: what was certain once stays certain.

    Raises:
        ValueError: A value lies outside the bounds, or the bounds do not ascend.
    """
    if not low < high:
        raise ValueError(f"bounds {low:g} and {high:g} must ascend")
    given = np.asarray(values, float)
    if not ((given >= low) & (given <= high)).all():
        raise ValueError(f"a value lies beyond the bounds {low:g} and {high:g}")
    scaled = (given - low) / (high - low)
    size = np.arange(1.0, len(scaled) + 1)
    total = scaled.cumsum()
    guesses = (0.5 + total - scaled) / size
    squares = ((scaled - guesses) ** 2).cumsum()
    stakes = np.asarray(STAKES)[:, None]
    costs = np.asarray([cost(stake) for stake in STAKES])[:, None]
    needed = np.log(2 / (alpha * np.asarray(STAKE_WEIGHTS)))[:, None]
    radius = ((costs * squares + needed) / stakes).min(axis=0, initial=np.inf) / size
    lows = np.maximum.accumulate(np.maximum(total / size - radius, 0.0))
    highs = np.minimum.accumulate(np.minimum(total / size + radius, 1.0))
    return Ends(low + (high - low) * lows, low + (high - low) * highs)


def quantile_of_values(values: Sequence[float], quantile: float, alpha: float = 0.05) -> Interval:
    """Return the interval for a quantile after these values, one of all that hold together; its ends are values.

    The interval of `exceedance.quantile_interval` with an edge at every value. An end is infinite while the values do
    not bound it.

    Raises:
        ValueError: `quantile` does not lie between 0 and 1, or a value is not a number.
    """
    if not 0 < quantile < 1:
        raise ValueError(f"quantile {quantile:g} must lie between 0 and 1, both excluded")
    given = np.asarray(values, float)
    if np.isnan(given).any():
        raise ValueError("a value is not a number; leave it out, or count it as the largest")
    edges, counts = np.unique(given, return_counts=True)
    return quantile_interval(edges.tolist(), [*counts.tolist(), 0], quantile, alpha)
