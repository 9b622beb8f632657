"""Tests of a few planned looks, beside published tables.

Bounds by spending: Jennison and Turnbull, "Group sequential methods", 2000, and R's ldbounds; of four looks one-sided,
the README of SeqBounds.jl. Constants: their tables 2.1 and 2.3; sizes: table 2.2 and SAS's SEQDESIGN, example 3.
"""

import math
from typing import Literal

import numpy as np
import pytest

from firstflight.analysis.group_sequential import (
    Shape,
    classic_bounds,
    crossing_chances,
    size_factor,
    spending_bounds,
    spent,
)

FIFTHS, QUARTERS = (0.2, 0.4, 0.6, 0.8, 1.0), (0.25, 0.5, 0.75, 1.0)


@pytest.mark.parametrize(
    ("information", "sides", "shape", "published"),
    [
        (FIFTHS, 2, "obrien_fleming", (4.877, 3.357, 2.680, 2.290, 2.031)),
        (QUARTERS, 2, "obrien_fleming", (4.333, 2.963, 2.359, 2.014)),
        (FIFTHS, 2, "pocock", (2.438, 2.427, 2.410, 2.397, 2.386)),
        (QUARTERS, 1, "obrien_fleming", (3.7496, 2.5399, 2.0160, 1.7201)),
        ((1.0,), 2, "obrien_fleming", (1.95996,)),
    ],
)
def test_bounds_by_spending_are_the_published(
    information: tuple[float, ...], sides: Literal[1, 2], shape: Shape, published: tuple[float, ...]
) -> None:
    """Of Lan and DeMets, at 5 %."""
    assert pytest.approx(published, abs=6e-4) == spending_bounds(information, shape=shape, sides=sides)


@pytest.mark.parametrize(
    ("looks", "pocock", "obrien_fleming"),
    [(1, 1.960, 1.960), (2, 2.178, 1.977), (3, 2.289, 2.004), (4, 2.361, 2.024), (5, 2.413, 2.040), (10, 2.555, 2.087)],
)
def test_classic_constants_are_the_published(looks: int, pocock: float, obrien_fleming: float) -> None:
    """Pocock's is the bound of every look, O'Brien and Fleming's that of the last."""
    assert pytest.approx([pocock] * looks, abs=6e-4) == list(classic_bounds(looks, shape="pocock"))
    bounds = classic_bounds(looks)
    assert pytest.approx(obrien_fleming, abs=6e-4) == bounds[-1]
    assert pytest.approx(bounds[-1] * math.sqrt(looks)) == bounds[0]


@pytest.mark.parametrize(("shape", "published"), [("pocock", 1.183), ("obrien_fleming", 1.022)])
def test_what_four_looks_cost_is_what_is_published(shape: Shape, published: float) -> None:
    """Of a power of 90 %."""
    bounds = classic_bounds(4, shape=shape)
    assert pytest.approx(published, abs=6e-4) == size_factor(bounds, QUARTERS, power=0.9)


def test_one_look_costs_nothing() -> None:
    """The factor of a test that is looked at once is 1, at any power."""
    assert pytest.approx(1.0, abs=1e-4) == size_factor((1.959964,), (1.0,), power=0.7)


def test_looks_spend_all_there_is() -> None:
    """Without a drift the chances of all looks add up to alpha, however unevenly they come."""
    uneven = (0.1, 0.15, 0.6, 1.0)
    for shape in ("pocock", "obrien_fleming"):
        bounds = spending_bounds(uneven, 0.02, shape=shape)
        spending = [spent(time, 0.02, shape=shape) for time in uneven]
        assert pytest.approx(spending) == np.cumsum(crossing_chances(bounds, uneven)).tolist()


def test_chances_are_those_of_simulated_walks() -> None:
    """Of 200,000 walks with a drift of 2.5, within five standard errors."""
    bounds = spending_bounds(QUARTERS)
    steps = np.random.default_rng(5).normal(2.5 / 4, 0.5, (200_000, 4)).cumsum(axis=1) / np.sqrt(QUARTERS)
    crossed = np.abs(steps) >= bounds
    first = np.where(crossed.any(axis=1), crossed.argmax(axis=1), 4)
    found = np.bincount(first, minlength=5)[:4] / len(first)
    expected = np.asarray(crossing_chances(bounds, QUARTERS, 2.5))
    assert (np.abs(found - expected) < 5 * np.sqrt(expected / len(first)) + 1e-9).all()


@pytest.mark.parametrize("information", [(), (0.5, 0.5), (0.5, 0.4), (0.0, 1.0), (0.5, 1.1), (0.5, 0.5004)])
def test_shares_that_do_not_ascend_are_refused(information: tuple[float, ...]) -> None:
    """To at most all there is, each a thousandth or more after the one before."""
    with pytest.raises(ValueError, match="must ascend"):
        spending_bounds(information)


def test_what_makes_no_sense_is_refused() -> None:
    """A level that is no chance, and bounds of other looks."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        spending_bounds(QUARTERS, 1.0)
    with pytest.raises(ValueError, match="3 bounds for 4 looks"):
        crossing_chances((2.0, 2.0, 2.0), QUARTERS)
    assert (0.0, 0.05) == (spent(0.0), pytest.approx(spent(2.0)))
