"""Whether two means differ, without assuming that their spreads are the same."""

import math
from dataclasses import dataclass

from scipy.special import stdtr, stdtrit

from firstflight.analysis.moments import variance
from firstflight.analysis.status import Status
from firstflight.domain.samples import Moments, NoData


@dataclass(frozen=True)
class MeanTest:
    """A mean or a difference of means against 0: Student's `t`, degrees of freedom, two-sided p, interval.

    `difference` is treatment - control and given whenever both arms have data; the rest only with status `ok`.
    `insufficient_data`: an arm (or the number of pairs) is below two. `zero_variance`: no value differs from the
    others in either arm, so nothing is known of the error (a p-value of 0 would be an invention).
    """

    status: Status
    difference: float | None = None
    t: float | None = None
    df: float | None = None
    p_value: float | None = None
    low: float | None = None
    high: float | None = None


def welch_t(control: Moments | NoData, treatment: Moments | NoData, alpha: float = 0.05) -> MeanTest:
    """Return Welch's t-test of treatment - control with its interval at confidence 1 - `alpha`.

    t = (m1 - m0)/√(v1/n1 + v0/n0) with the degrees of freedom of Welch, "The generalization of 'Student's' problem
    when several different population variances are involved", Biometrika 34, 1947 (after Satterthwaite, 1946).
    """
    if isinstance(control, NoData) or isinstance(treatment, NoData) or 0 in {control.count, treatment.count}:
        return MeanTest(Status.NO_DATA)
    difference = treatment.mean - control.mean
    treatment_variance, control_variance = variance(treatment), variance(control)
    if treatment_variance is None or control_variance is None:
        return t_test(difference, None, None, alpha)
    treatment_part, control_part = treatment_variance / treatment.count, control_variance / control.count
    squared_error = treatment_part + control_part
    return t_test(difference, squared_error, _freedom(treatment, treatment_part, control, control_part), alpha)


def t_test(difference: float, squared_error: float | None, df: float | None, alpha: float = 0.05) -> MeanTest:
    """Return Student's t-test of an estimate with its squared standard error; None: it is not known."""
    if not math.isfinite(difference) or (squared_error is not None and not math.isfinite(squared_error)):
        return MeanTest(Status.NOT_FINITE)
    if squared_error is None or df is None:
        return MeanTest(Status.INSUFFICIENT_DATA, difference)
    if squared_error == 0:
        return MeanTest(Status.ZERO_VARIANCE, difference)
    error = math.sqrt(squared_error)
    radius = student_quantile(1 - alpha / 2, df) * error
    t = difference / error
    low, high = difference - radius, difference + radius
    if not all(math.isfinite(value) for value in (t, low, high)):
        return MeanTest(Status.NOT_FINITE, difference)
    p_value = min(2 * float(stdtr(df, -abs(t))), 1.0)
    return MeanTest(Status.OK, difference, t, df, p_value, low, high)


def student_quantile(level: float, df: float) -> float:
    """Return the quantile of Student's distribution with `df` degrees of freedom."""
    return float(stdtrit(df, level))


def _freedom(treatment: Moments, treatment_part: float, control: Moments, control_part: float) -> float:
    """Return the Welch-Satterthwaite degrees of freedom; scaled first, so that tiny spreads do not vanish."""
    whole = treatment_part + control_part
    if whole == 0 or not math.isfinite(whole):
        return 1.0
    share = treatment_part / whole
    return 1.0 / (share**2 / (treatment.count - 1) + (1 - share) ** 2 / (control.count - 1))
