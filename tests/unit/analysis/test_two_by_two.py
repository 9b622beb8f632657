"""Exact e-values for two proportions and a gap between them."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binom

from firstflight.analysis.two_by_two import nearest_on_line, not_worse_log_likelihoods, worse_log_likelihoods

rates = st.floats(0.001, 0.999)
exposures = st.integers(1, 100_000)


def _divergence(guess: float, null: float) -> float:
    return guess * math.log(guess / null) + (1 - guess) * math.log((1 - guess) / (1 - null))


@given(rates, exposures, rates, exposures, st.floats(-0.5, 0.5))
def test_the_nearest_pair_is_scipys_minimum(a1: float, n1: int, a0: float, n0: int, gap: float) -> None:
    """Newton's answer is no farther from the guess than the minimum a general optimiser finds."""

    def distance(control: float) -> float:
        return (n1 * _divergence(a1, control + gap) + n0 * _divergence(a0, control)) / (n1 + n0)

    low, high = max(0.0, -gap), min(1.0, 1.0 - gap)
    reference = minimize_scalar(
        distance, bounds=(low + 1e-12, high - 1e-12), method="bounded", options={"xatol": 1e-12}
    )
    found = nearest_on_line(a1, n1, a0, n0, gap)
    assert pytest.approx(found.control + gap) == found.treatment
    assert distance(found.control) <= reference.fun + 1e-12


def _largest_mean(statistic: object, n1: int, n0: int, pairs: list[tuple[float, float]]) -> float:
    """Return the largest mean of exp(statistic) over all outcomes, under any of the pairs of rates."""
    outcomes = list(itertools.product(range(n1 + 1), range(n0 + 1)))
    values = {(x1, x0): [math.exp(v) for v in statistic(x1, n1, x0, n0)] for x1, x0 in outcomes}  # type: ignore[operator] # a local lambda
    means = [
        sum(binom.pmf(x1, n1, p1) * binom.pmf(x0, n0, p0) * values[x1, x0][index] for x1, x0 in outcomes)
        for p1, p0 in pairs
        for index in range(len(values[0, 0]))
    ]
    return max(means)


@pytest.mark.parametrize(("expected", "margin"), [(0.1, 0.05), (0.01, 0.05), (0.4, 0.2)])
def test_not_worse_has_a_mean_of_at_most_one_wherever_it_is_worse(expected: float, margin: float) -> None:
    """E[L] ≤ 1 under every pair on and beyond the margin, computed over all outcomes."""
    pairs = [(p0 + margin + more, p0) for p0 in (0.001, 0.1, 0.3, 0.7) for more in (0.0, 0.03)]

    def statistic(x1: int, n1: int, x0: int, n0: int) -> tuple[float, ...]:
        return not_worse_log_likelihoods(x1, n1, x0, n0, expected_rate=expected, margin=margin)

    assert _largest_mean(statistic, 4, 9, pairs) <= 1 + 1e-9


@pytest.mark.parametrize("tolerance", [0.0, 0.02])
def test_worse_has_a_mean_of_at_most_one_wherever_it_is_not(tolerance: float) -> None:
    """E[L] ≤ 1 under every pair within the tolerance, computed over all outcomes."""
    pairs = [(max(p0 + tolerance - less, 0.0), p0) for p0 in (0.001, 0.1, 0.5, 0.9) for less in (0.0, 0.05)]

    def statistic(x1: int, n1: int, x0: int, n0: int) -> tuple[float, ...]:
        return worse_log_likelihoods(x1, n1, x0, n0, control_rate=0.1, tolerance=tolerance)

    assert _largest_mean(statistic, 4, 9, pairs) <= 1 + 1e-9


@given(st.integers(0, 29), st.integers(0, 570), st.floats(0.01, 0.5))
def test_one_more_harmful_event_moves_both_against_the_candidate(x1: int, x0: int, expected: float) -> None:
    """Evidence of harm does not fall, and proof of harmlessness does not rise, with one more bad answer."""
    arms, more = (x1, 30, x0, 570), (x1 + 1, 30, x0, 570)
    worse = zip(
        worse_log_likelihoods(*arms, control_rate=expected),
        worse_log_likelihoods(*more, control_rate=expected),
        strict=True,
    )
    proof = zip(
        not_worse_log_likelihoods(*arms, expected_rate=expected, margin=0.05),
        not_worse_log_likelihoods(*more, expected_rate=expected, margin=0.05),
        strict=True,
    )
    assert all(after >= before for before, after in worse)
    assert all(after <= before for before, after in proof)


def test_a_billion_requests_are_no_trouble() -> None:
    """Equal arms of a billion requests prove more than any threshold asks, and show no harm."""
    arms = (10**8, 10**9, 10**8, 10**9)
    assert min(not_worse_log_likelihoods(*arms, expected_rate=0.1, margin=0.05)) > 1e6
    assert max(worse_log_likelihoods(*arms, control_rate=0.1)) < -1e5


def test_an_empty_arm_says_nothing() -> None:
    """No traffic in one arm leaves every likelihood ratio at 1."""
    assert {0.0} == set(not_worse_log_likelihoods(0, 0, 3, 100, expected_rate=0.1, margin=0.05))
    assert {0.0} == set(worse_log_likelihoods(3, 100, 0, 0, control_rate=0.1))
