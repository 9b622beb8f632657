"""Two proportions at the end of a test of planned length."""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from scipy.special import betaincinv, ndtr, ndtri

from firstflight.analysis.status import Status
from firstflight.domain.samples import Counts, NoData

_EXPECTED = 5.0  # Cochran's rule: below it in any cell, the normal approximation invents significance

_TIE = 1e-7  # tables as likely as the one seen, but for rounding


class Bounds(NamedTuple):
    """Ends of an interval for a proportion."""

    low: float
    high: float


@dataclass(frozen=True)
class ProportionTest:
    """Difference of two proportions (treatment - control) with two-sided p and interval; None without data."""

    status: Status
    difference: float | None = None
    p_value: float | None = None
    low: float | None = None
    high: float | None = None
    method: Literal["score", "exact"] | None = None


def two_proportions(control: Counts | NoData, treatment: Counts | NoData, alpha: float = 0.05) -> ProportionTest:
    """Return the test of two proportions, score or exact, and an interval that needs neither many events nor few.

    p: the score test with the pooled rate (Pearson's chi-square), or Fisher's exact test when an expected count is
    below 5. Interval: Newcombe, "Interval estimation for the difference between independent proportions", Statistics in
    Medicine 17, 1998, method 10 (from two Wilson intervals); its ends at level 2·alpha bound the difference from one
    side at alpha.
    """
    if isinstance(control, NoData) or isinstance(treatment, NoData) or 0 in {control.exposures, treatment.exposures}:
        return ProportionTest(Status.NO_DATA)
    old, new = control.events / control.exposures, treatment.events / treatment.exposures
    wide_old, wide_new = wilson_bounds(control, alpha), wilson_bounds(treatment, alpha)
    difference = new - old
    low = difference - math.hypot(new - wide_new.low, wide_old.high - old)
    high = difference + math.hypot(wide_new.high - new, old - wide_old.low)
    exposures, events = control.exposures + treatment.exposures, control.events + treatment.events
    fewest = min(control.exposures, treatment.exposures) * (min(events, exposures - events) / exposures)
    if fewest < _EXPECTED:
        return ProportionTest(Status.OK, difference, _fisher(control, treatment), low, high, "exact")
    pooled = events / exposures
    error = math.sqrt(pooled * (1 - pooled) * (1 / control.exposures + 1 / treatment.exposures))
    p_value = min(2 * float(ndtr(-abs(difference) / error)), 1.0)
    return ProportionTest(Status.OK, difference, p_value, low, high, "score")


def _fisher(control: Counts, treatment: Counts) -> float:
    """Return Fisher's exact two-sided p: the chance, margins given, of tables at most as likely as the one seen.

    Chances by the ratio of neighbours, so that nothing is lost or long in coming with a billion exposures.
    """
    events = control.events + treatment.events
    failures = control.exposures + treatment.exposures - events
    small = min(control, treatment, key=lambda arm: arm.exposures)
    seen = small.events
    if failures < events:
        events, failures, seen = failures, events, small.exposures - small.events
    fewest, most = max(0, small.exposures - failures), min(events, small.exposures)
    k = np.arange(fewest, most, dtype=float)
    steps = np.log((events - k) * (small.exposures - k)) - np.log((k + 1) * (failures - small.exposures + k + 1))
    logs = np.concatenate(([0.0], np.cumsum(steps)))
    chances = np.exp(logs - logs.max())
    as_rare = chances <= chances[seen - fewest] * (1 + _TIE)
    return min(float(chances[as_rare].sum() / chances.sum()), 1.0)


def wilson_bounds(counts: Counts, alpha: float = 0.05) -> Bounds:
    """Return the two-sided score interval of a proportion (Wilson, JASA 22, 1927); (0, 1) without exposures."""
    if counts.exposures == 0:
        return Bounds(0.0, 1.0)
    z = float(-ndtri(alpha / 2))
    count, rate = counts.exposures, counts.events / counts.exposures
    weight = 1 + z * z / count
    centre = (rate + z * z / (2 * count)) / weight
    radius = z / weight * math.sqrt(rate * (1 - rate) / count + z * z / (4 * count * count))
    low = 0.0 if counts.events == 0 else max(centre - radius, 0.0)
    high = 1.0 if counts.events == counts.exposures else min(centre + radius, 1.0)
    return Bounds(low, high)


def exact_bounds(counts: Counts, alpha: float = 0.05) -> Bounds:
    """Return the two-sided exact interval of a proportion (Clopper and Pearson, Biometrika 26, 1934).

    Each end is wrong with probability at most alpha/2. (0, 1) without exposures.
    """
    events, failures = counts.events, counts.exposures - counts.events
    low = float(betaincinv(events, failures + 1, alpha / 2)) if events else 0.0
    high = float(betaincinv(events + 1, failures, 1 - alpha / 2)) if failures else 1.0
    return Bounds(low, high)
