"""How many standard deviations two means are apart. Reported, never decided on.

Labels such as "negligible below 0.2" call an error rate that goes from 0.1 to 2 % negligible (d = 0.19).
"""

import math
from dataclasses import dataclass

from scipy.special import gammaln, ndtri

from firstflight.analysis.moments import variance
from firstflight.analysis.status import Status
from firstflight.domain.samples import Moments, NoData

_FEWEST = 4  # Hedges' correction needs more than one degree of freedom; two per arm leave two


@dataclass(frozen=True)
class EffectSize:
    """Cohen's `d`, Hedges' `g` and the interval of g; None unless status is `ok`. Positive: treatment is higher."""

    status: Status
    d: float | None = None
    g: float | None = None
    low: float | None = None
    high: float | None = None


def effect_size(control: Moments | NoData, treatment: Moments | NoData, alpha: float = 0.05) -> EffectSize:
    """Return the standardised difference of treatment - control.

    d = (m1 - m0)/s with s² the pooled variance (Cohen, "Statistical power analysis", 2nd ed. 1988, section 2.5.2);
    g = J(m)·d with J(m) = Γ(m/2)/(√(m/2)·Γ((m-1)/2)), m = n1 + n0 - 2, and the large-sample variance
    (n1 + n0)/(n1·n0) + g²/(2(n1 + n0)) (Hedges and Olkin, "Statistical methods for meta-analysis", 1985,
    chapter 5, eqs. 8 and 15).
    """
    if isinstance(control, NoData) or isinstance(treatment, NoData) or 0 in {control.count, treatment.count}:
        return EffectSize(Status.NO_DATA)
    count = control.count + treatment.count
    treatment_variance, control_variance = variance(treatment), variance(control)
    if treatment_variance is None or control_variance is None or count < _FEWEST:
        return EffectSize(Status.INSUFFICIENT_DATA)
    freedom = count - 2
    pooled = (treatment_variance * (treatment.count - 1) + control_variance * (control.count - 1)) / freedom
    if pooled == 0:
        return EffectSize(Status.ZERO_VARIANCE)
    d = (treatment.mean - control.mean) / math.sqrt(pooled)
    g = small_sample_correction(freedom) * d
    error = math.sqrt(count / (treatment.count * control.count) + g * g / (2 * count))
    radius = float(-ndtri(alpha / 2)) * error
    if not math.isfinite(g + radius):
        return EffectSize(Status.NOT_FINITE)
    return EffectSize(Status.OK, d, g, g - radius, g + radius)


def small_sample_correction(freedom: int) -> float:
    """Return Hedges' J(m), by which d of small samples is too large."""
    if freedom > 1e5:  # noqa: PLR2004 - the logarithms would cancel; the next term of the series is below 1e-11
        return 1 - 3 / (4 * freedom - 1)
    return math.exp(float(gammaln(freedom / 2) - gammaln((freedom - 1) / 2)) - math.log(freedom / 2) / 2)
