"""Ratios of sums: revenue per click, errors per session, where what is divided by varies from unit to unit too.

The unit is what was assigned to an arm (a user, a session, a block), not what is counted below the line: requests of
one user are not independent. By the delta method the ratio is as good as the mean of its linear parts, one per unit:

    R = Σy/Σx,   R + (y_i - R·x_i)/mean(x)

(Deng, Knoblich and Lu, "Applying the delta method in metric analytics", KDD 2018, section 3.1; Cochran, "Sampling
techniques", 1977, section 6.3).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from firstflight.analysis.moments import control_arm, pairs_from_values, variance
from firstflight.analysis.status import Status
from firstflight.analysis.welch import MeanTest, welch_t
from firstflight.domain.samples import Moments, NoData, PairedMoments

FEWEST_ERRORS = 3.0
"""The mean below the line must lie so many standard errors from 0; a ratio to less is noise."""

_ROUNDING = 1e-12  # of a spread: less is none


@dataclass(frozen=True)
class Ratio:
    """Σy/Σx of `units` units, its standard error, and `deviation`, that of the linear part of one unit.

    `value` is given whenever the sum below the line is not 0, the rest only with status `ok`. `not_applicable`: that
    sum is within three standard errors of 0. `insufficient_data`: fewer than two units. `zero_variance`: every unit has
    the same ratio.
    """

    status: Status
    units: int = 0
    value: float | None = None
    error: float | None = None
    deviation: float | None = None


def ratio_of_sums(numerators: Sequence[float], denominators: Sequence[float]) -> Ratio:
    """Return the ratio of two sums over the same units, in the same order.

    Raises:
        ValueError: They differ in length.
    """
    return ratio_of_pairs(pairs_from_values(denominators, numerators))


def ratio_of_pairs(pairs: PairedMoments | NoData) -> Ratio:
    """Return the ratio of treatment to control in joint moments: above the line the former, below it the latter."""
    if isinstance(pairs, NoData) or pairs.count == 0:
        return Ratio(Status.NO_DATA)
    found = _linear(pairs)
    if found is None:
        return Ratio(Status.NOT_APPLICABLE, pairs.count)
    below, spread = variance(control_arm(pairs)), variance(found)
    if below is None or spread is None:
        return Ratio(Status.INSUFFICIENT_DATA, pairs.count, found.mean)
    if abs(pairs.control_mean) < FEWEST_ERRORS * math.sqrt(below / pairs.count):
        return Ratio(Status.NOT_APPLICABLE, pairs.count, found.mean)
    if spread == 0:
        return Ratio(Status.ZERO_VARIANCE, pairs.count, found.mean)
    return Ratio(Status.OK, pairs.count, found.mean, math.sqrt(spread / pairs.count), math.sqrt(spread))


def difference_of_ratios(
    control: PairedMoments | NoData, treatment: PairedMoments | NoData, alpha: float = 0.05
) -> MeanTest:
    """Return Welch's t-test of treatment's ratio - control's, by their linear parts; arms as in `ratio_of_pairs`.

    `not_applicable` where either has no ratio.
    """
    statuses = {ratio_of_pairs(arm).status for arm in (control, treatment)}
    if isinstance(control, NoData) or isinstance(treatment, NoData) or Status.NO_DATA in statuses:
        return MeanTest(Status.NO_DATA)
    old, new = _linear(control), _linear(treatment)
    if old is None or new is None or Status.NOT_APPLICABLE in statuses:
        return MeanTest(Status.NOT_APPLICABLE)
    return welch_t(old, new, alpha)


def _linear(pairs: PairedMoments) -> Moments | None:
    """Return the moments of the linear parts, whose mean is the ratio; None where all below the line is 0."""
    if pairs.control_mean == 0:
        return None
    value = pairs.treatment_mean / pairs.control_mean
    whole = pairs.treatment_m2 + value**2 * pairs.control_m2
    spread = whole - 2 * value * pairs.cross
    m2 = spread / pairs.control_mean**2 if spread > _ROUNDING * whole else 0.0
    return Moments(count=pairs.count, mean=value, m2=m2) if math.isfinite(value) and math.isfinite(m2) else None
