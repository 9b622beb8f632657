"""Whether values of one arm tend to be larger than those of the other, whatever their distribution."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from firstflight.analysis.status import Status
from firstflight.domain.samples import Histogram, NoData

_EXACT_UP_TO = 8


@dataclass(frozen=True)
class RankTest:
    """Mann-Whitney's `u` of the treatment, two-sided p, and the chance that a treatment value is the larger.

    `superiority` = P(treatment > control) + ½·P(equal). Status `zero_variance`: all values are tied.
    """

    status: Status
    u: float | None = None
    p_value: float | None = None
    superiority: float | None = None
    method: Literal["exact", "asymptotic"] | None = None


def mann_whitney(control: Sequence[float], treatment: Sequence[float]) -> RankTest:
    """Return the test of raw values: exact for up to 8 of an arm without ties, else the normal approximation."""
    if len(control) == 0 or len(treatment) == 0:
        return RankTest(Status.NO_DATA)
    old, new = np.asarray(control, float), np.asarray(treatment, float)
    if np.isnan(old).any() or np.isnan(new).any():
        return RankTest(Status.NOT_FINITE)
    values, places = np.unique(np.concatenate((old, new)), return_inverse=True)
    if min(len(old), len(new)) <= _EXACT_UP_TO and len(values) == len(old) + len(new):
        from scipy.stats import mannwhitneyu  # noqa: PLC0415 - takes a second to import; histograms never need it

        exact = mannwhitneyu(new, old, method="exact")
        u = float(exact.statistic)
        return RankTest(Status.OK, u, float(exact.pvalue), u / (len(old) * len(new)), "exact")
    return _from_ties(
        np.bincount(places[: len(old)], minlength=len(values)), np.bincount(places[len(old) :], minlength=len(values))
    )


def mann_whitney_of_histograms(control: Histogram | NoData, treatment: Histogram | NoData) -> RankTest:
    """Return the test of two histograms with the same edges; values in one bucket are ties.

    Raises:
        ValueError: The edges differ.
    """
    if isinstance(control, NoData) or isinstance(treatment, NoData):
        return RankTest(Status.NO_DATA)
    if control.edges != treatment.edges:
        raise ValueError(f"histograms with edges {control.edges} and {treatment.edges} cannot be compared")
    return _from_ties(np.asarray(control.counts), np.asarray(treatment.counts))


def _from_ties(control: NDArray[np.int64], treatment: NDArray[np.int64]) -> RankTest:
    """Return the test from counts per distinct value, in ascending order.

    z = (|U - n1·n0/2| - ½)/σ, σ² = n1·n0/12·(n + 1 - Σ(t³ - t)/(n(n - 1))): Lehmann, "Nonparametrics", 1975, section
    1.4, eqs. 1.31 to 1.35. Whole numbers throughout, so that a billion values do not overflow.
    """
    old, new = [int(count) for count in control], [int(count) for count in treatment]
    old_count, new_count = sum(old), sum(new)
    if old_count == 0 or new_count == 0:
        return RankTest(Status.NO_DATA)
    twice_u = below = 0
    for before, after in zip(old, new, strict=True):
        twice_u += after * (2 * below + before)
        below += before
    pairs, count = old_count * new_count, old_count + new_count
    superiority = twice_u / (2 * pairs)
    ties = sum((before + after) ** 3 - (before + after) for before, after in zip(old, new, strict=True))
    untied = (count + 1) * count * (count - 1) - ties
    if untied == 0:
        return RankTest(Status.ZERO_VARIANCE, twice_u / 2, superiority=superiority)
    error = math.sqrt(pairs * untied / (12 * count * (count - 1)))
    z = (abs(twice_u - pairs) / 2 - 0.5) / error
    return RankTest(Status.OK, twice_u / 2, min(2 * float(ndtr(-z)), 1.0), superiority, "asymptotic")
