"""The mixture over the times at which a fault may begin."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstflight.analysis.log_space import NEVER, log_add, log_sum
from firstflight.analysis.start_mixture import bet, log_e_value, log_shares

log_ratios = st.lists(st.floats(-5, 5), min_size=1, max_size=8)


@given(log_ratios)
def test_it_is_the_sum_over_all_beginnings(ratios: list[float]) -> None:
    """The recursion equals Σ_k w_k Π_{i≥k} L_i written out."""
    weight = 0.9 / len(ratios)
    wealth: tuple[float, ...] = (NEVER,)
    for ratio in ratios:
        wealth = bet(wealth, (ratio,), weight)
    direct = sum(weight * math.exp(sum(ratios[k:])) for k in range(len(ratios))) + 0.1
    assert pytest.approx(math.log(direct)) == log_e_value(wealth, log_shares((1.0,)), 0.1)


@given(log_ratios, st.floats(0, 3))
def test_more_evidence_never_lowers_it(ratios: list[float], more: float) -> None:
    """Raising any likelihood ratio raises the e-value or leaves it."""

    def fold(values: list[float]) -> float:
        wealth: tuple[float, ...] = (NEVER, NEVER)
        for value in values:
            wealth = bet(wealth, (value, value / 2), 0.1)
        return log_e_value(wealth, log_shares((0.4, 0.6)), 0.2)

    assert fold([ratio + more for ratio in ratios]) >= fold(ratios) - 1e-12


def test_it_starts_at_one() -> None:
    """Without a look nothing is spent and log e is 0."""
    assert log_e_value((NEVER, NEVER), log_shares((0.5, 0.5)), 1.0) == 0.0


def test_sums_in_log_space() -> None:
    """Nothing plus something is something, and huge exponents do not overflow."""
    assert log_add(NEVER, NEVER) == NEVER
    assert log_sum([]) == NEVER
    assert log_add(NEVER, 3.0) == 3.0
    assert pytest.approx(1e6 + math.log(2)) == log_sum([1e6, 1e6])
    assert NEVER == max(bet((NEVER,), (5.0,), 0.0))
