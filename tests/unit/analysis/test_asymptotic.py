"""The asymptotic confidence sequence and its one-sided e-value."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad

from firstflight.analysis.asymptotic import (
    difference_of_means,
    mean_above_log_e,
    mean_interval,
    mean_of_differences,
    mixture_precision,
    single_mean,
)
from firstflight.analysis.status import Status


def test_the_radius_is_the_papers() -> None:
    """Theorem 2.2 of Waudby-Smith et al., written out for one sample of 1,000 with variance 4."""
    n, alpha, precision = 1000, 0.05, mixture_precision(0.05)
    estimate = single_mean(n, 1.5, 4.0 * (n - 1))
    radius = math.sqrt(4.0) * math.sqrt(
        2 * (n * precision + 1) / (n**2 * precision) * math.log(math.sqrt(n * precision + 1) / alpha)
    )
    low, high = mean_interval(estimate, alpha)
    assert pytest.approx((1.5 - radius, 1.5 + radius)) == (low, high)


@pytest.mark.parametrize("z", [-3.0, 0.0, 2.0, 5.0])
def test_the_e_value_is_a_half_normal_mixture(z: float) -> None:
    """Log e equals numerical integration of the Gaussian likelihood ratio over a half-normal."""
    n, precision = 400, mixture_precision(0.1)
    estimate = single_mean(n, z / math.sqrt(n), n - 1.0)

    def integrand(shift: float) -> float:
        return (
            2
            * stats.norm.pdf(shift, scale=math.sqrt(precision))
            * math.exp(z * math.sqrt(n) * shift - n * shift**2 / 2)
        )

    expected, _ = quad(integrand, 0, 10, limit=200, points=[max(z, 0.1) / math.sqrt(n)])
    assert pytest.approx(math.log(expected), abs=1e-6) == mean_above_log_e(estimate, 0.0, 0.05)


def test_the_difference_is_welchs() -> None:
    """Estimate, standard error and degrees of freedom are those of scipy's Welch test."""
    rng = np.random.default_rng(3)
    new, old = rng.normal(1, 2, 150), rng.normal(0, 5, 400)
    arms = [(len(x), float(x.mean()), float(((x - x.mean()) ** 2).sum())) for x in (new, old)]
    found = difference_of_means(*arms[0], *arms[1])
    reference = stats.ttest_ind(new, old, equal_var=False)
    assert pytest.approx(reference.statistic) == found.estimate / math.sqrt(found.variance)
    assert pytest.approx(reference.df) == found.freedom


def test_pairs_cancel_what_both_arms_share() -> None:
    """Paired moments give the one-sample statistics of the differences."""
    rng = np.random.default_rng(4)
    market = rng.normal(0, 10, 50)
    new, old = market + rng.normal(0.2, 1, 50), market + rng.normal(0, 1, 50)
    sums = [float(((a - a.mean()) * (b - b.mean())).sum()) for a, b in ((new, new), (old, old), (new, old))]
    found = mean_of_differences(50, float(new.mean()), float(old.mean()), *sums)
    assert pytest.approx(stats.ttest_rel(new, old).statistic) == found.estimate / math.sqrt(found.variance)


def test_edge_cases_have_names() -> None:
    """One observation, no spread and infinite input give a status, an open interval and no evidence."""
    cases = {
        Status.INSUFFICIENT_DATA: difference_of_means(1, 5.0, 0.0, 11_400, 0.0, 11_400.0),
        Status.ZERO_VARIANCE: difference_of_means(200, 1.0, 0.0, 200, 0.0, 0.0),
        Status.NOT_FINITE: difference_of_means(200, math.inf, 1.0, 200, 0.0, 1.0),
    }
    for status, estimate in cases.items():
        assert status is estimate.status
        assert (-math.inf, math.inf) == mean_interval(estimate)
        assert mean_above_log_e(estimate, 0.0, 0.05) == 0.0


def test_a_vanishing_spread_does_not_overflow() -> None:
    """A variance too small to be squared still gives degrees of freedom and finite evidence."""
    estimate = difference_of_means(200, 1.0, 1e-300, 200, 0.0, 1e-300)
    assert pytest.approx(398.0) == estimate.freedom
    assert math.isfinite(mean_above_log_e(estimate, 0.0, 0.05))
    assert math.isfinite(mean_above_log_e(estimate, 2.0, 0.05))


def test_equal_pairs_have_no_spread() -> None:
    """Differences that vanish up to rounding are named, not divided by."""
    estimate = mean_of_differences(50, 1.0 + 1e-9, 1.0, 2.0, 2.0, 2.0)
    assert Status.ZERO_VARIANCE is estimate.status


def test_few_degrees_of_freedom_cost_evidence() -> None:
    """Twenty pairs say less than as many standard errors from very many."""
    few = mean_of_differences(20, 1.0, 0.0, 19.0, 0.0, 0.0)
    many = single_mean(100_000, few.estimate, few.variance * 100_000 * 99_999)
    few_deviations = (mean_interval(few).high - few.estimate) / math.sqrt(few.variance)
    assert few_deviations > 3
    assert mean_above_log_e(few, 0.0, 0.05, horizon=50) < few.estimate**2 / few.variance / 2
    assert Status.OK is many.status


@given(st.floats(-5, 5), st.floats(0.1, 100), st.floats(0.01, 100))
def test_scale_and_shift_change_nothing(mean: float, shift: float, scale: float) -> None:
    """Evidence is the same in other units and about another origin."""
    plain = mean_above_log_e(single_mean(500, mean, 499.0), 0.1, 0.05)
    moved = mean_above_log_e(single_mean(500, scale * (mean + shift), 499.0 * scale**2), scale * (0.1 + shift), 0.05)
    assert pytest.approx(plain, rel=1e-6, abs=1e-6) == moved


def test_a_billion_observations_far_from_zero() -> None:
    """Mean 1e6, deviation 1, a billion each: a difference of 0.001 is seen, none is not."""
    n = 10**9
    seen = difference_of_means(n, 1e6 + 0.001, float(n - 1), n, 1e6, float(n - 1))
    unseen = difference_of_means(n, 1e6, float(n - 1), n, 1e6, float(n - 1))
    assert mean_above_log_e(seen, 0.0, 0.05) > 100
    assert mean_above_log_e(unseen, 0.0, 0.05) < 0
