"""Less noise in a mean with the help of what was known before (CUPED).

Deng, Xu, Kohavi and Walker, "Improving the sensitivity of online controlled experiments by utilizing pre-experiment
data" (WSDM 2013, section 3). The covariate must not be touched by the treatment: known before it, or moved by
neither arm, like the market's return.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from firstflight.analysis.moments import (
    control_arm,
    merge_pairs,
    pairs_from_sums,
    pairs_from_values,
    treatment_arm,
    variance,
)
from firstflight.analysis.status import Status
from firstflight.analysis.welch import MeanTest, welch_t
from firstflight.domain.samples import Moments, NoData, PairedMoments


@dataclass(frozen=True)
class Covaried:
    """One arm's metric and covariate, measured on the same units."""

    metric: Moments
    covariate: Moments
    cross: float

    @classmethod
    def of_values(cls, metric: Sequence[float], covariate: Sequence[float]) -> "Covaried | NoData":
        """Return the sums of raw values in the same order; NoData when one is not finite.

        Raises:
            ValueError: There are more of one than of the other.
        """
        return cls._of_pairs(pairs_from_values(covariate, metric))

    @classmethod
    def of_sums(
        cls, count: int, totals: tuple[float, float], squares: tuple[float, float], products: float
    ) -> "Covaried | NoData":
        """Return what (Σy, Σx), (Σy², Σx²) and Σxy of metric y and covariate x tell; NoData when one is not finite."""
        y, x = totals
        yy, xx = squares
        return cls._of_pairs(pairs_from_sums(count, (x, y), (xx, yy), products))

    @classmethod
    def _of_pairs(cls, pairs: PairedMoments | NoData) -> "Covaried | NoData":
        if isinstance(pairs, NoData):
            return pairs
        return cls(treatment_arm(pairs), control_arm(pairs), pairs.cross)


@dataclass(frozen=True)
class Cuped:
    """Welch's `test` of the adjusted means; `theta` is the slope, `variance_kept` the share of variance left.

    Means and spreads of the adjusted arms are in `control` and `treatment`.
    """

    test: MeanTest
    theta: float | None = None
    variance_kept: float | None = None
    control: Moments | None = None
    treatment: Moments | None = None

    @property
    def status(self) -> Status:
        """The status of the test."""
        return self.test.status


def cuped(control: Covaried | NoData, treatment: Covaried | NoData, alpha: float = 0.05) -> Cuped:
    """Return Welch's test of y - θ·(x - x̄), with θ = cov(x, y)/var(x) and x̄ over both arms together (eqs. 4 and 5).

    A covariate that never varies adjusts nothing (θ = 0).
    """
    if (
        isinstance(control, NoData)
        or isinstance(treatment, NoData)
        or 0 in {control.metric.count, treatment.metric.count}
    ):
        return Cuped(MeanTest(Status.NO_DATA))
    both = merge_pairs(_pairs(control), _pairs(treatment))
    varies = variance(control_arm(both))
    theta = both.cross / both.control_m2 if varies else 0.0
    old = _adjusted(control, theta, both.control_mean)
    new = _adjusted(treatment, theta, both.control_mean)
    kept = (old.m2 + new.m2) / spread if (spread := control.metric.m2 + treatment.metric.m2) else None
    return Cuped(welch_t(old, new, alpha), theta, kept, old, new)


def _pairs(arm: Covaried) -> PairedMoments:
    return PairedMoments(
        count=arm.metric.count,
        control_mean=arm.covariate.mean,
        treatment_mean=arm.metric.mean,
        control_m2=arm.covariate.m2,
        treatment_m2=arm.metric.m2,
        cross=arm.cross,
    )


def _adjusted(arm: Covaried, theta: float, mean: float) -> Moments:
    """Return the moments of y - θ·(x - mean); a spread within rounding is none."""
    explained = theta * theta * arm.covariate.m2 - 2 * theta * arm.cross
    spread = arm.metric.m2 + explained
    return Moments(
        count=arm.metric.count,
        mean=arm.metric.mean - theta * (arm.covariate.mean - mean),
        m2=spread if spread > 1e-14 * arm.metric.m2 else 0.0,
    )
