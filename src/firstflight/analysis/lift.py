"""By how many percent the treatment's mean is better than the control's."""

import math
from dataclasses import dataclass
from typing import Literal

from firstflight.analysis.moments import control_arm, treatment_arm, variance
from firstflight.analysis.status import Status
from firstflight.analysis.welch import student_quantile
from firstflight.domain.samples import Moments, NoData, PairedMoments

Direction = Literal["lower_is_better", "higher_is_better"]

FEWEST_ERRORS = 3.0
"""A control mean must lie so many standard errors above 0; a ratio to less is noise."""


@dataclass(frozen=True)
class Lift:
    """Improvement in percent with its interval, positive is better; None unless status is `ok`.

    `difference` is treatment - control in the metric's own unit, to be reported where a ratio is `not_applicable`:
    a mean at or below zero, or a control's mean within three standard errors of zero.
    """

    status: Status
    percent: float | None = None
    low: float | None = None
    high: float | None = None
    difference: float | None = None


def improvement(
    control: Moments | NoData,
    treatment: Moments | NoData,
    alpha: float = 0.05,
    direction: Direction = "higher_is_better",
) -> Lift:
    """Return the improvement between independent arms.

    The logarithm of m1/m0 has the variance v1/(n1·m1²) + v0/(n0·m0²) (delta method; Deng, Knoblich and Lu,
    "Applying the delta method in metric analytics", KDD 2018, section 3, on the log scale), so the interval is
    never below -100 % and the same seen from either arm. Student's t with Welch's degrees of freedom of the two parts.
    """
    if isinstance(control, NoData) or isinstance(treatment, NoData) or 0 in {control.count, treatment.count}:
        return Lift(Status.NO_DATA)
    difference = treatment.mean - control.mean
    control_variance, treatment_variance = variance(control), variance(treatment)
    if control_variance is None or treatment_variance is None:
        return Lift(Status.INSUFFICIENT_DATA, difference=difference)
    if _has_no_ratio(control.mean, control_variance / control.count, treatment.mean):
        return Lift(Status.NOT_APPLICABLE, difference=difference)
    control_part = control_variance / control.count / control.mean / control.mean
    treatment_part = treatment_variance / treatment.count / treatment.mean / treatment.mean
    squared_error = control_part + treatment_part
    if squared_error == 0:
        return Lift(Status.ZERO_VARIANCE, difference=difference)
    share = control_part / squared_error
    freedom = 1.0 / (share**2 / (control.count - 1) + (1 - share) ** 2 / (treatment.count - 1))
    return _lift(control.mean, treatment.mean, squared_error, freedom, alpha, direction)


def paired_improvement(
    pairs: PairedMoments | NoData, alpha: float = 0.05, direction: Direction = "higher_is_better"
) -> Lift:
    """Return the improvement where both arms were measured on the same units.

    As `improvement`, with the variance of the log ratio less twice cov/(n·m1·m0); n - 1 degrees of freedom.
    """
    if isinstance(pairs, NoData) or pairs.count == 0:
        return Lift(Status.NO_DATA)
    control, treatment = control_arm(pairs), treatment_arm(pairs)
    difference = treatment.mean - control.mean
    control_variance, treatment_variance = variance(control), variance(treatment)
    if control_variance is None or treatment_variance is None:
        return Lift(Status.INSUFFICIENT_DATA, difference=difference)
    if _has_no_ratio(control.mean, control_variance / pairs.count, treatment.mean):
        return Lift(Status.NOT_APPLICABLE, difference=difference)
    parts = control_variance / control.mean / control.mean + treatment_variance / treatment.mean / treatment.mean
    shared = pairs.cross / (pairs.count - 1) / control.mean / treatment.mean
    squared_error = (parts - 2 * shared) / pairs.count
    if squared_error <= 1e-14 * parts / pairs.count:  # rounding, not a difference
        return Lift(Status.ZERO_VARIANCE, difference=difference)
    return _lift(control.mean, treatment.mean, squared_error, pairs.count - 1, alpha, direction)


def _has_no_ratio(control_mean: float, squared_error: float, treatment_mean: float) -> bool:
    """Whether a mean is not above zero, or the control's not certainly so."""
    return min(control_mean, treatment_mean) <= 0 or control_mean < FEWEST_ERRORS * math.sqrt(squared_error)


def _lift(
    control: float, treatment: float, squared_error: float, freedom: float, alpha: float, direction: Direction
) -> Lift:
    difference = treatment - control
    try:
        ratio = treatment / control
        factor = math.exp(student_quantile(1 - alpha / 2, freedom) * math.sqrt(squared_error))
        changes = [100 * (value - 1) for value in (ratio, ratio / factor, ratio * factor)]
    except OverflowError:
        return Lift(Status.NOT_FINITE, difference=difference)
    if not all(math.isfinite(change) for change in changes):
        return Lift(Status.NOT_FINITE, difference=difference)
    percent, low, high = changes
    if direction == "lower_is_better":
        percent, low, high = -percent, -high, -low
    return Lift(Status.OK, percent, low, high, difference)
