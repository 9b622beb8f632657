"""Limits of a proportion, seen from both sides."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import beta, binom

from firstflight.analysis.absolute_limit import (
    ODDS,
    ODDS_WEIGHTS,
    beyond_limit_log_likelihoods,
    within_limit_log_e,
)


@pytest.mark.parametrize(
    ("events", "exposures", "limit"), [(0, 100, 0.01), (3, 400, 0.01), (40, 1000, 0.05), (9, 60, 0.2)]
)
def test_the_proof_is_the_mixture_it_claims_to_be(events: int, exposures: int, limit: float) -> None:
    """Log e equals numerical integration of the likelihood ratio over the truncated Beta distribution."""
    a, b = 0.5, 0.5 / limit

    def integrand(rate: float) -> float:
        log_ratio = events * math.log(rate / limit) + (exposures - events) * math.log((1 - rate) / (1 - limit))
        return float(beta.pdf(rate, a, b) / beta.cdf(limit, a, b)) * math.exp(log_ratio)

    expected, _ = quad(integrand, 0, limit, limit=400, epsabs=0, epsrel=1e-8)
    assert pytest.approx(math.log(expected), abs=1e-4) == within_limit_log_e(events, exposures, limit)


@pytest.mark.parametrize("rate", [0.05, 0.06, 0.2])
def test_means_are_at_most_one_under_their_nulls(rate: float) -> None:
    """E[e] ≤ 1 at and beyond the limit for the proof, at and within it for harm."""
    chances = [(x, binom.pmf(x, 60, rate)) for x in range(61)]
    assert sum(p * math.exp(within_limit_log_e(x, 60, 0.05)) for x, p in chances) <= 1 + 1e-9
    within = [(x, binom.pmf(x, 60, min(rate, 0.05))) for x in range(61)]
    for index in range(len(ODDS)):
        mean = sum(p * math.exp(beyond_limit_log_likelihoods(x, 60, 0.05)[index]) for x, p in within)
        assert mean <= 1 + 1e-9


@pytest.mark.parametrize("exposures", [600, 6_000, 10**6, 10**9])
def test_the_worst_candidate_never_looks_safe(exposures: int) -> None:
    """Where the incomplete beta function underflows the proof is void, not floored."""
    for share in (0.3, 0.5, 1.0):
        assert within_limit_log_e(int(share * exposures), exposures, 0.05) < 0


def test_a_perfect_billion_is_proof() -> None:
    """Huge counts stay finite and say what they should."""
    assert 1e5 < within_limit_log_e(0, 10**9, 0.01) < math.inf


def test_no_requests_are_no_evidence() -> None:
    """Log e starts at 0."""
    assert pytest.approx(0.0) == within_limit_log_e(0, 0, 0.01)
    assert (0.0,) * len(ODDS) == beyond_limit_log_likelihoods(0, 0, 0.01)
    assert pytest.approx(1.0) == sum(ODDS_WEIGHTS)


@given(st.integers(0, 999), st.floats(0.001, 0.9))
@example(521, 0.06843879419267027)  # near underflow the incomplete beta function has few digits left
@example(986, 0.4716252689413132)
def test_one_more_event_is_never_better(events: int, limit: float) -> None:
    """Harm rises and proof falls with every event."""
    assert within_limit_log_e(events + 1, 1000, limit) <= within_limit_log_e(events, 1000, limit) + 1e-9
    pairs = zip(
        beyond_limit_log_likelihoods(events, 1000, limit),
        beyond_limit_log_likelihoods(events + 1, 1000, limit),
        strict=True,
    )
    assert all(after > before for before, after in pairs)
