"""Sizes of tests and of proofs, beside those of statsmodels."""

import math
from typing import Literal

import pytest
from scipy.stats import norm
from statsmodels.stats.power import zt_ind_solve_power
from statsmodels.stats.proportion import power_proportions_2indep, samplesize_proportions_2indep_onetail

from firstflight.analysis.power import (
    power_of_means,
    power_of_proportions,
    size_of_means,
    size_of_proof,
    size_of_proportions,
)


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


@pytest.mark.parametrize(("share", "sides", "power"), [(0.5, 2, 0.8), (0.2, 1, 0.9), (0.05, 2, 0.95)])
def test_sizes_for_means_are_statsmodels(share: float, sides: Literal[1, 2], power: float) -> None:
    """A difference of a tenth of the standard deviation; statsmodels counts the control's, given the ratio of arms."""
    ratio, alternative = share / (1 - share), "two-sided" if sides == 2 else "larger"
    control = zt_ind_solve_power(0.1, alpha=0.05, power=power, ratio=ratio, alternative=alternative)
    found = size_of_means(-0.3, 3.0, share=share, power=power, sides=sides)
    assert (math.ceil(control), math.ceil(control * ratio)) == found
    assert pytest.approx(power, abs=1e-3) == power_of_means(0.3, 3.0, found, sides=sides)


@pytest.mark.parametrize(
    ("old", "new", "share", "sides"), [(0.10, 0.12, 0.5, 2), (0.9, 0.85, 0.05, 1), (0.001, 0.005, 0.25, 2)]
)
def test_sizes_for_proportions_are_statsmodels(old: float, new: float, share: float, sides: Literal[1, 2]) -> None:
    """Of the score test, by its variance with the pooled proportion; the power is theirs too."""
    ratio, alternative = (1 - share) / share, "two-sided" if sides == 2 else "larger"
    treatment = samplesize_proportions_2indep_onetail(
        new - old, old, power=0.8, ratio=ratio, alpha=0.05, alternative=alternative
    )
    found = size_of_proportions(old, new, share=share, sides=sides)
    assert pytest.approx(treatment, rel=2e-3) == found.treatment
    theirs = power_proportions_2indep(
        new - old, old, found.treatment, ratio=ratio, alpha=0.05,
        alternative=alternative if sides == 2 else ("larger" if new > old else "smaller"),
    ).power  # fmt: skip
    assert pytest.approx(theirs, abs=1e-3) == power_of_proportions(old, new, found, sides=sides)


def test_what_no_test_finds_has_no_size() -> None:
    """No difference, no spread, no chance, or nobody asked."""
    for wrong in (
        lambda: size_of_means(0.0, 1.0),
        lambda: size_of_means(1.0, 0.0),
        lambda: size_of_means(1.0, 1.0, power=1.0),
        lambda: size_of_means(1e-200, 1e200),
        lambda: size_of_proportions(0.1, 0.1),
        lambda: size_of_proportions(0.0, 0.1),
        lambda: power_of_means(1.0, 1.0, (0, 10)),
        lambda: power_of_proportions(0.1, 0.2, (10, 0)),
    ):
        with pytest.raises(ValueError, match=r"must|found|finds"):
            wrong()
