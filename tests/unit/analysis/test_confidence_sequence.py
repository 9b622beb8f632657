"""Intervals of raw values that hold at every look together."""

import math

import numpy as np
import pytest
from scipy.special import betaln

from firstflight.analysis.bounded_mean import STAKE_WEIGHTS, STAKES
from firstflight.analysis.confidence_sequence import bounded_mean_sequence, quantile_of_values


def test_a_mean_is_where_no_stake_has_won() -> None:
    """By the papers' process, value by value: exp(b·(u - m) - ψ(b)·(u - c)²) against 2/(alpha·weight)."""
    values = [0.2, 0.9, 0.4, 1.0, 0.0, 0.7]
    low, high = 0.0, 1.0
    wins = [math.log(2 / (0.05 * weight)) for weight in STAKE_WEIGHTS]
    found = bounded_mean_sequence(values, 0, 1)
    for n in range(1, 7):
        costs = [(-math.log1p(-b) - b) * sum(
            (values[i] - (0.5 + sum(values[:i])) / (i + 1)) ** 2 for i in range(n)) for b in STAKES]  # fmt: skip
        total = sum(values[:n])
        low = max(low, *[(total - (spent + win) / b) / n for b, spent, win in zip(STAKES, costs, wins, strict=True)])
        high = min(high, *[(total + (spent + win) / b) / n for b, spent, win in zip(STAKES, costs, wins, strict=True)])
        assert pytest.approx((low, high)) == (found.low[n - 1], found.high[n - 1])


@pytest.mark.parametrize("mean", [0.01, 0.3])
def test_a_mean_is_ever_left_out_rarely(mean: float) -> None:
    """Of 300 sequences of 2,000 values, among them rare large ones, at most 5 % and what chance adds."""
    rng = np.random.default_rng(4)
    missed = 0
    for _ in range(300):
        found = bounded_mean_sequence((10 * (rng.random(2000) < mean)).tolist(), 0, 10)
        missed += not (found.low[-1] <= 10 * mean <= found.high[-1])  # they never widen: the last tells of all
    assert missed / 300 <= 0.05


def test_a_mean_is_found() -> None:
    """After 20,000 even values between 10 and 20 the interval is narrower than 0.5, about 15."""
    values = np.random.default_rng(8).uniform(10, 20, 20_000)
    found = bounded_mean_sequence(values.tolist(), 10, 20)
    assert found.low[-1] < 15 < found.high[-1]
    assert found.high[-1] - found.low[-1] < 0.5
    assert (np.diff(found.low) >= 0).all()
    assert (np.diff(found.high) <= 0).all()


def test_values_and_bounds_must_fit() -> None:
    """A value outside is refused, and no number is inside; no values give no ends."""
    for values in ([0.5, 1.1], [math.nan]):
        with pytest.raises(ValueError, match="beyond the bounds"):
            bounded_mean_sequence(values, 0, 1)
    with pytest.raises(ValueError, match="must ascend"):
        bounded_mean_sequence([0.5], 1, 1)
    assert [0, 0] == [len(ends) for ends in bounded_mean_sequence([], 0, 1)]


def test_a_quantile_is_bounded_by_the_ranks_of_the_mixture() -> None:
    """By the beta-binomial mixture at the quantile itself, tried at every rank."""
    values = np.sort(np.random.default_rng(3).normal(size=500))
    low, high = -math.inf, math.inf
    for rank in range(1, 501):
        log_e = betaln(9.5 + rank, 0.5 + 500 - rank) - betaln(9.5, 0.5) - rank * math.log(0.95)
        if log_e - (500 - rank) * math.log(0.05) >= math.log(20):
            low, high = (max(low, values[rank - 1]), high) if rank < 475 else (low, min(high, values[rank - 1]))
    assert pytest.approx((low, high)) == quantile_of_values(values.tolist(), 0.95)


def test_a_quantile_is_ever_left_out_rarely() -> None:
    """The median of 200 sequences, looked at every 30 of 600 values."""
    rng = np.random.default_rng(6)
    missed = 0
    for _ in range(200):
        values = rng.exponential(size=600)
        found = [quantile_of_values(values[:n].tolist(), 0.5) for n in range(30, 601, 30)]
        missed += not all(one.low <= math.log(2) <= one.high for one in found)
    assert missed / 200 <= 0.05


def test_few_values_bound_no_quantile() -> None:
    """Nothing, or three of anything; what is no number, or no quantile, is refused."""
    assert (-math.inf, math.inf) == quantile_of_values([], 0.5) == quantile_of_values([1.0, 2.0, 2.0], 0.5)
    with pytest.raises(ValueError, match="not a number"):
        quantile_of_values([math.nan], 0.5)
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile_of_values([1.0], 1.0)
