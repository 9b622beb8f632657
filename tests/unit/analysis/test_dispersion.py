"""Dispersion of counts over looks."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from firstflight.analysis.dispersion import Spread, dispersion


def _spread(events: list[int], exposures: list[int]) -> Spread:
    spread = Spread()
    for x, n in zip(events, exposures, strict=True):
        spread = spread.and_look(x, n)
    return spread


def test_it_is_pearsons_as_statsmodels_has_it() -> None:
    """φ̂ equals the Pearson scale of an intercept-only binomial model (statsmodels 0.15)."""
    rng = np.random.default_rng(6)
    exposures = rng.integers(400, 600, 40)
    events = rng.binomial(exposures, rng.beta(2, 38, 40))
    model = sm.GLM(np.column_stack([events, exposures - events]), np.ones(40), family=sm.families.Binomial()).fit()
    assert pytest.approx(model.pearson_chi2 / 39) == dispersion(_spread(events.tolist(), exposures.tolist()))


def test_looks_as_even_as_can_be_are_not_dispersed() -> None:
    """Less variation than independence would give is no reason to be surer."""
    assert dispersion(_spread([30] * 20, [100] * 20)) == 1.0


def test_it_grows_with_exposures_and_never_shrinks() -> None:
    """The excess is scaled up to a busier look and never down to a quieter one."""
    spread = _spread([0, 20, 0, 30, 0, 10], [100] * 6)
    plain = dispersion(spread)
    assert plain > 2
    assert pytest.approx(1 + 2 * (plain - 1)) == dispersion(spread, exposures=200)
    assert plain == dispersion(spread, exposures=10)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=8))
def test_it_is_at_least_one_and_always_a_number(looks: list[tuple[int, int]]) -> None:
    """Too few looks, no events, all events: the answer is 1, never NaN."""
    spread = _spread([x for x, _ in looks], [x + rest for x, rest in looks])
    assert dispersion(spread) >= 1.0
