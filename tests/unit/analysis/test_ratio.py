"""Ratios of sums, beside tea-tasting's and a simulation."""

import numpy as np
import pytest
from tea_tasting.aggr import Aggregates
from tea_tasting.metrics import RatioOfMeans

from firstflight.analysis.moments import pairs_from_values
from firstflight.analysis.ratio import Ratio, difference_of_ratios, ratio_of_sums
from firstflight.analysis.status import Status
from firstflight.domain.samples import NoData, PairedMoments


def drawn(seed: int, users: int, each: float) -> tuple[np.ndarray, np.ndarray]:
    """Return clicks and sessions of so many users, who click a share of their own."""
    rng = np.random.default_rng(seed)
    sessions = 1 + rng.poisson(each, users)
    return rng.binomial(sessions, rng.beta(2, 8, users)).astype(float), sessions.astype(float)


def test_the_difference_is_tea_tastings() -> None:
    """Welch's t-test of the linear parts: difference, p and interval (tea-tasting 1.14)."""
    old, new = drawn(1, 400, 4.0), drawn(2, 150, 7.0)

    def sums(clicks: np.ndarray, sessions: np.ndarray) -> Aggregates:
        return Aggregates(
            count_=len(clicks),
            mean_={"clicks": clicks.mean(), "sessions": sessions.mean()},
            var_={"clicks": clicks.var(ddof=1), "sessions": sessions.var(ddof=1)},
            cov_={("clicks", "sessions"): float(np.cov(clicks, sessions)[0, 1])},
        )

    expected = RatioOfMeans("clicks", "sessions", equal_var=False, use_t=True).analyze_aggregates(
        sums(*old), sums(*new)
    )
    found = difference_of_ratios(pairs_from_values(old[1], old[0]), pairs_from_values(new[1], new[0]))
    assert pytest.approx(expected.effect_size) == found.difference
    assert pytest.approx(expected.pvalue, rel=1e-6) == found.p_value
    assert pytest.approx((expected.effect_size_ci_lower, expected.effect_size_ci_upper)) == (found.low, found.high)


def test_the_error_is_how_ratios_vary() -> None:
    """Over 2,000 draws of 200 users; the error of requests by themselves would be too small."""
    found = [ratio_of_sums(*drawn(seed, 200, 9.0)) for seed in range(2000)]
    spread = float(np.std([one.value for one in found]))
    assert pytest.approx(spread, rel=0.06) == float(np.mean([one.error for one in found]))
    alone = float(np.sqrt(0.2 * 0.8 / 2000))
    assert spread > 1.3 * alone


@pytest.mark.parametrize(
    ("above", "below", "status"),
    [
        ([], [], Status.NO_DATA),
        ([1.0], [2.0], Status.INSUFFICIENT_DATA),
        ([1.0, 2.0], [0.0, 0.0], Status.NOT_APPLICABLE),
        ([1.0, 2.0, 1.0], [-1.0, 1.0, 0.3], Status.NOT_APPLICABLE),
        ([1.0, 2.0, 3.0], [2.0, 4.0, 6.0], Status.ZERO_VARIANCE),
        ([1.0, float("nan")], [1.0, 1.0], Status.NO_DATA),
    ],
)
def test_edges_of_ratios_have_names(above: list[float], below: list[float], status: Status) -> None:
    """No units, one, nothing below the line or nothing certain, the same ratio everywhere, no numbers."""
    found = ratio_of_sums(above, below)
    assert status is found.status
    assert found.error is None


def test_arms_without_a_ratio_are_not_compared() -> None:
    """Whichever it is; an arm without units has no data."""
    fine = pairs_from_values([1.0, 2.0, 3.0, 2.0], [1.0, 1.0, 2.0, 1.0])
    nothing = pairs_from_values([0.0, 0.0], [1.0, 2.0])
    assert Status.NOT_APPLICABLE is difference_of_ratios(fine, nothing).status
    assert Status.NO_DATA is difference_of_ratios(PairedMoments(count=0), fine).status
    assert Status.NO_DATA is difference_of_ratios(fine, NoData(reason="none")).status
    assert Ratio(Status.NO_DATA) == ratio_of_sums([], [])
