"""The exposure-conditioned likelihood ratio of two rates."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, poisson

from firstflight.analysis.rate_ratio import (
    RATIO_WEIGHTS,
    RATIOS,
    beyond_share_log_likelihoods,
    rate_ratio_log_likelihoods,
)

exposures = st.integers(1, 10_000)


@given(st.integers(0, 50), exposures, st.integers(0, 50), exposures)
def test_it_is_the_ratio_of_two_binomial_probabilities(x1: int, n1: int, x0: int, n0: int) -> None:
    """Given all events of a look, L is P(x1 | θ) / P(x1 | 1), as scipy's binomial has it."""
    found = rate_ratio_log_likelihoods(x1, n1, x0, n0)
    shares = [n1 * ratio / (n1 * ratio + n0) for ratio in (1.0, *RATIOS)]
    log_null, *log_each = (binom.logpmf(x1, x1 + x0, share) for share in shares)
    assert pytest.approx([each - log_null for each in log_each], abs=1e-9, rel=1e-9) == list(found)


@pytest.mark.parametrize(("null_ratio", "true_ratio"), [(1.0, 0.5), (1.0, 1.0), (3.0, 1.0), (3.0, 3.0)])
def test_its_mean_is_at_most_one_under_the_null(null_ratio: float, true_ratio: float) -> None:
    """Summed over all outcomes of two Poisson counts, E[L] ≤ 1 for every ratio up to the null's."""
    n1, n0, rate = 30, 90, 0.02
    totals = [0.0] * len(RATIOS)
    for x1, x0 in itertools.product(range(30), range(30)):
        chance = poisson.pmf(x1, n1 * rate * true_ratio) * poisson.pmf(x0, n0 * rate)
        for index, log_ratio in enumerate(rate_ratio_log_likelihoods(x1, n1, x0, n0, null_ratio=null_ratio)):
            totals[index] += chance * math.exp(log_ratio)
    assert max(totals) <= 1 + 1e-9


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_it_holds_for_common_events_too(rate: float) -> None:
    """E[L] ≤ 1 under equal proportions of any size (Hoeffding's comparison with the hypergeometric law)."""
    n1, n0 = 5, 12
    totals = [0.0] * len(RATIOS)
    for x1, x0 in itertools.product(range(n1 + 1), range(n0 + 1)):
        chance = binom.pmf(x1, n1, rate) * binom.pmf(x0, n0, rate)
        for index, log_ratio in enumerate(rate_ratio_log_likelihoods(x1, n1, x0, n0)):
            totals[index] += chance * math.exp(log_ratio)
    assert max(totals) <= 1 + 1e-9


@given(st.integers(0, 50), exposures, st.integers(0, 50), exposures)
def test_one_more_event_in_the_treatment_never_lowers_it(x1: int, n1: int, x0: int, n0: int) -> None:
    """More evidence of harm is never counted for the candidate."""
    before = rate_ratio_log_likelihoods(x1, n1, x0, n0)
    after = rate_ratio_log_likelihoods(x1 + 1, n1, x0, n0)
    assert all(b > a for a, b in zip(before, after, strict=True))


def test_an_arm_without_traffic_says_nothing() -> None:
    """Without exposures in either arm every ratio stays at 1."""
    assert (0.0,) * len(RATIOS) == rate_ratio_log_likelihoods(0, 0, 3, 100)
    assert (0.0,) * len(RATIOS) == rate_ratio_log_likelihoods(3, 100, 0, 0)


def test_dispersion_takes_the_root() -> None:
    """With φ = 2 every likelihood ratio is its own square root."""
    plain = rate_ratio_log_likelihoods(4, 30, 1, 570)
    assert pytest.approx([each / 2 for each in plain]) == list(rate_ratio_log_likelihoods(4, 30, 1, 570, dispersion=2))


def test_the_shares_are_a_distribution() -> None:
    """The wealth on all ratios is the whole wealth."""
    assert pytest.approx(1.0) == sum(RATIO_WEIGHTS)


@given(st.integers(0, 50), st.integers(50, 10_000), st.sampled_from([0.01, 0.05, 0.5, 0.9]))
def test_beyond_a_share_is_the_ratio_of_two_binomial_probabilities(x: int, n: int, share: float) -> None:
    """Against the share itself, which is the worst of what is within it."""
    found = beyond_share_log_likelihoods(x, n, share)
    log_null = binom.logpmf(x, n, share)
    for ratio, log_ratio in zip(RATIOS, found, strict=True):
        rate = min(ratio * share, (1 + share) / 2)
        assert pytest.approx(binom.logpmf(x, n, rate) - log_null, abs=1e-6, rel=1e-6) == log_ratio


def test_the_smaller_of_both_ratios_needs_more_than_the_share() -> None:
    """Twenty times the control's rate is no harm while it is within the share, and is beyond it."""
    for events, harmful in ((20, False), (100, True)):
        worse = rate_ratio_log_likelihoods(events, 1000, 1, 1000)
        beyond = beyond_share_log_likelihoods(events, 1000, 0.05)
        assert harmful is (max(map(min, worse, beyond)) > math.log(100))
        assert max(worse) > math.log(100)
