"""Sizes of proofs, beside those of statsmodels."""

import math

import pytest
from scipy.stats import norm
from statsmodels.stats.power import zt_ind_solve_power

from firstflight.analysis.power import size_of_proof


@pytest.mark.parametrize(("estimate", "margin", "power"), [(0.0, 0.05, 0.8), (0.01, 0.05, 0.9), (-0.02, 0.03, 0.8)])
def test_it_is_the_size_of_a_z_test_as_statsmodels_has_it(estimate: float, margin: float, power: float) -> None:
    """Two arms of equal size, a standard deviation of 0.3, one-sided at 5 % (statsmodels 0.15)."""
    spread, seen = 0.3, 400
    bound = estimate + norm.ppf(0.95) * spread * math.sqrt(2 / seen)
    effect = (margin - estimate) / spread
    wanted = zt_ind_solve_power(effect_size=effect, alpha=0.05, power=power, alternative="larger")
    assert math.ceil(wanted) == size_of_proof(seen, estimate, bound, margin, alpha=0.05, power=power)


def test_what_was_shown_at_even_chance_takes_as_many_again() -> None:
    """A bound exactly at the margin is reached in half of the tests of that size."""
    assert 250 == size_of_proof(250, 0.01, 0.05, 0.05, alpha=0.05, power=0.5)


@pytest.mark.parametrize(("estimate", "bound"), [(0.05, 0.06), (0.07, 0.09), (0.01, math.inf), (0.01, 0.01)])
def test_what_no_size_shows_has_none(estimate: float, bound: float) -> None:
    """No better than the margin, not bounded, or without an error that could shrink."""
    assert size_of_proof(100, estimate, bound, 0.05, alpha=0.05) is None
