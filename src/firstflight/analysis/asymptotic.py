"""Means that may be looked at as often as one likes: the asymptotic confidence sequence.

Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic confidence
sequences" (Ann. Stat. 52, 2024, arXiv 2103.06476): theorem 2.2 for the two-sided radius, appendix B for the
one-sided boundary, whose Gaussian mixture restricted to one side is the e-value below. Validity is asymptotic:
nothing is concluded before a burn-in, and few degrees of freedom pay through Student's t.

For questions of one's own, of means without bounds: no verdict rests on it, since rare large values break it (where
1 % of requests earned 100, 44.5 % of equal models were called worse). With bounds, `confidence_sequence` holds always.
"""

import math
from dataclasses import dataclass

from scipy.special import log_ndtr, ndtri, stdtr

from firstflight.analysis.proportion import Interval
from firstflight.analysis.status import Status

BURN_IN = 100
PAIRED_BURN_IN = 20
HORIZON = 500.0
"""Effective sample size at which the boundaries are tightest."""
PAIRED_HORIZON = 50.0

_NORMAL_FROM = 30.0
_FARTHEST = 1e6  # deviations beyond which z² would add nothing but overflow


@dataclass(frozen=True)
class MeanEstimate:
    """A mean or a difference of means and how well it is known.

    `variance` is that of the estimate, `size` the effective number of observations behind it and `freedom` its
    (Welch-Satterthwaite) degrees of freedom. Status `insufficient_data` means below the burn-in.
    """

    status: Status
    estimate: float
    variance: float
    size: float
    freedom: float


def _estimate(estimate: float, variance: float, size: float, freedom: float, *, enough: bool) -> MeanEstimate:
    if not (math.isfinite(estimate) and math.isfinite(variance)):
        return MeanEstimate(Status.NOT_FINITE, 0.0, 0.0, 0.0, 0.0)
    if not enough:
        return MeanEstimate(Status.INSUFFICIENT_DATA, estimate, variance, size, freedom)
    return MeanEstimate(Status.OK if variance > 0 else Status.ZERO_VARIANCE, estimate, variance, size, freedom)


def difference_of_means(
    treatment_count: int,
    treatment_mean: float,
    treatment_m2: float,
    control_count: int,
    control_mean: float,
    control_m2: float,
    *,
    burn_in: int = BURN_IN,
) -> MeanEstimate:
    """Return treatment - control for two independent arms, from counts, means and sums of squared deviations.

    V = v1/n1 + v0/n0, effective size n1·n0/(n1+n0), Welch-Satterthwaite degrees of freedom.
    """
    difference = treatment_mean - control_mean
    if min(treatment_count, control_count) < 2:  # noqa: PLR2004 - one observation has no variance
        return _estimate(difference, 0.0, 0.0, 0.0, enough=False)
    treatment = treatment_m2 / (treatment_count - 1) / treatment_count
    control = control_m2 / (control_count - 1) / control_count
    variance = treatment + control
    freedom = 0.0
    if 0 < variance < math.inf:
        part = treatment / variance
        freedom = 1 / (part**2 / (treatment_count - 1) + (1 - part) ** 2 / (control_count - 1))
    size = treatment_count * control_count / (treatment_count + control_count)
    return _estimate(difference, variance, size, freedom, enough=min(treatment_count, control_count) >= burn_in)


def mean_of_differences(
    count: int,
    treatment_mean: float,
    control_mean: float,
    treatment_m2: float,
    control_m2: float,
    cross: float,
    *,
    burn_in: int = PAIRED_BURN_IN,
) -> MeanEstimate:
    """Return treatment - control where both arms were measured on the same `count` units.

    The squared deviations of the differences are those of both arms less twice their cross-product.
    """
    difference = treatment_mean - control_mean
    if count < 2:  # noqa: PLR2004 - one observation has no variance
        return _estimate(difference, 0.0, 0.0, 0.0, enough=False)
    spread = max(treatment_m2 + control_m2 - 2 * cross, 0.0)
    if spread <= 1e-12 * (treatment_m2 + control_m2):  # rounding, not a difference
        spread = 0.0
    return _estimate(difference, spread / (count - 1) / count, float(count), count - 1.0, enough=count >= burn_in)


def single_mean(count: int, mean: float, m2: float, *, burn_in: int = BURN_IN) -> MeanEstimate:
    """Return the mean of one arm."""
    if count < 2:  # noqa: PLR2004 - one observation has no variance
        return _estimate(mean, 0.0, 0.0, 0.0, enough=False)
    return _estimate(mean, m2 / (count - 1) / count, float(count), count - 1.0, enough=count >= burn_in)


def mixture_precision(alpha: float, horizon: float = HORIZON) -> float:
    """Return ρ², which makes the two-sided boundary at level `alpha` tightest at size `horizon`.

    ρ² = (-2·log alpha + log(1 - 2·log alpha)) / n*  (as the paper optimises the mixture; a one-sided boundary
    at level alpha takes 2alpha here).
    """
    minus = -2 * math.log(alpha)
    return (minus + math.log(1 + minus)) / horizon


def mean_interval(estimate: MeanEstimate, alpha: float = 0.05, horizon: float = HORIZON) -> Interval:
    """Return the two-sided asymptotic confidence sequence, infinite unless the estimate's status is `ok`.

    radius = √( V·(κ+1)/κ·log((κ+1)/alpha²) ), κ = n·ρ² (theorem 2.2).
    """
    if estimate.status is not Status.OK:
        return Interval(-math.inf, math.inf)
    kappa = estimate.size * mixture_precision(alpha, horizon)
    deviations = math.sqrt((kappa + 1) / kappa * (math.log1p(kappa) - 2 * math.log(alpha)))
    radius = deviations * math.sqrt(estimate.variance) * _student_factor(deviations, estimate.freedom)
    return Interval(estimate.estimate - radius, estimate.estimate + radius)


def mean_above_log_e(estimate: MeanEstimate, threshold: float, alpha: float, horizon: float = HORIZON) -> float:
    """Return log e against "the mean is at most `threshold`"; 0 unless the estimate's status is `ok`.

    log e = log 2 - ½·log(1+κ) + z²·κ/(2(1+κ)) + log Φ(z·√(κ/(1+κ))), with z the studentised distance and κ = n·ρ²:
    the likelihood ratio mixed over a half-normal of precision ρ². `alpha` only tunes ρ².
    """
    if estimate.status is not Status.OK:
        return 0.0
    distance = (estimate.estimate - threshold) / math.sqrt(estimate.variance)
    z = max(min(_normal_from_student(distance, estimate.freedom), _FARTHEST), -_FARTHEST)
    kappa = estimate.size * mixture_precision(min(2 * alpha, 0.5), horizon)
    shrink = kappa / (1 + kappa)
    return float(math.log(2) - 0.5 * math.log1p(kappa) + z * z * shrink / 2 + log_ndtr(z * math.sqrt(shrink)))


def _normal_from_student(t: float, freedom: float) -> float:
    """Return the normal deviate with the same tail probability as Student's `t`."""
    if freedom >= _NORMAL_FROM:
        return t
    return math.copysign(float(-ndtri(stdtr(freedom, -abs(t)))), t)


def _student_factor(deviations: float, freedom: float) -> float:
    """Return how much wider an interval of so many standard errors must be for few degrees of freedom."""
    if freedom >= _NORMAL_FROM:
        return 1.0
    low, high = 1.0, 2.0
    while _normal_from_student(deviations * high, freedom) < deviations and high < 1e6:  # noqa: PLR2004 - ends the search
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (
            (low, middle) if _normal_from_student(deviations * middle, freedom) >= deviations else (middle, high)
        )
    return high
