"""The trading simulation, against figures worked out by hand."""

import numpy as np
import pytest

from firstflight.workloads.market.features.dataset import Part
from firstflight.workloads.market.training.trading import COST, simulate


def part_of(returns: list[list[float]]) -> Part:
    """Return a part with one row per day and instrument, `returns[day][instrument]`."""
    table = np.array(returns)
    days, symbols = table.shape
    date = np.repeat(np.arange(np.datetime64("2020-01-01"), np.datetime64("2020-01-01") + days), symbols)
    n = table.size
    flat = table.ravel()
    return Part(
        np.zeros((n, 1, 1), np.float32), (flat > 0).astype(np.float32), flat, np.tile(list("AB")[:symbols], days), date
    )


def test_two_days_by_hand() -> None:
    """Half in each instrument, one sold on the second day: wealth, drift and cost as on paper."""
    part = part_of([[0.10, -0.10], [0.02, 0.50]])
    found = simulate(np.array([True, True, True, False]), part)
    # day 1: buy 0.5 + 0.5, earn 0; drifts to 0.55 and 0.45. day 2: sell 0.05 of A and 0.45 of B, earn 0.5 x 2 %.
    first = 1 - 1.0 * COST
    second = 1 + 0.01 - 0.5 * COST
    assert found.profit == pytest.approx(first * second - 1)
    assert found.turnover == pytest.approx((1.0 + 0.5) / 2)
    assert found.max_drawdown == pytest.approx(-COST)
    net = np.array([first - 1, second - 1])
    assert found.sharpe == pytest.approx(net.mean() / net.std(ddof=1) * np.sqrt(252))


def test_never_invested_earns_and_costs_nothing() -> None:
    """All cash: no profit, no risk, no turnover, and a Sharpe ratio of 0."""
    found = simulate(np.zeros(4, dtype=bool), part_of([[0.1, -0.1], [0.2, 0.3]]))
    assert (0.0, 0.0, 0.0, 0.0) == (found.profit, found.sharpe, found.max_drawdown, found.turnover)


def test_a_missing_instrument_leaves_its_share_to_the_others() -> None:
    """On a day with one row the whole wealth stands for it."""
    both = part_of([[0.10, 0.10], [0.10, 0.0]])
    rows = np.array([0, 1, 2])  # B has no row on the second day
    part = Part(both.x[rows], both.y[rows], both.forward_return[rows], both.symbol[rows], both.date[rows])
    found = simulate(np.ones(3, dtype=bool), part)
    assert found.profit == pytest.approx((1.10 - COST) * (1.10 - 1.0 * COST) - 1)


def test_the_deepest_fall_counts_from_the_peak() -> None:
    """Up 10 %, down 50 %, up again: the drawdown is the 50 %."""
    found = simulate(np.ones(3, dtype=bool), part_of([[0.10], [-0.50], [0.30]]))
    assert found.max_drawdown == pytest.approx(-0.5)


def test_order_of_rows_does_not_matter() -> None:
    """Rows in another order give the same figures."""
    part = part_of([[0.10, -0.10], [0.02, 0.50], [0.01, 0.01]])
    held = np.array([True, False, True, True, False, True])
    mixed = np.random.default_rng(0).permutation(6)
    shuffled = Part(part.x[mixed], part.y[mixed], part.forward_return[mixed], part.symbol[mixed], part.date[mixed])
    assert simulate(held, part) == simulate(held[mixed], shuffled)
