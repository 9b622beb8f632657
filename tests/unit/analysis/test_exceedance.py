"""Quantiles from the edges of a histogram."""

import math

import numpy as np
import pytest

from firstflight.analysis.exceedance import (
    above,
    edges_for,
    quantile_estimate,
    quantile_interval,
    reference_edge,
)

EDGES = (50.0, 100.0, 200.0, 500.0)


def test_an_edge_at_the_limit_serves_both_sides() -> None:
    """Harm and proof are counted at the limit itself when an edge lies there."""
    assert (2, 2, True) == edges_for(EDGES, 200.0)
    assert (2, 2, True) == edges_for(EDGES, 200.0 + 1e-10)


def test_without_an_edge_both_questions_are_asked_on_the_safe_side() -> None:
    """Harm above the next higher edge, proof above the next lower one; None where there is none."""
    assert (3, 2, False) == edges_for(EDGES, 250.0)
    assert (None, 3, False) == edges_for(EDGES, 900.0)
    assert (0, None, False) == edges_for(EDGES, 20.0)


def test_values_above_an_edge() -> None:
    """The last bucket counts as above every edge."""
    assert [15, 12, 7, 5] == [above((1, 3, 5, 2, 5), edge) for edge in range(4)]


def test_the_reference_edge_leaves_at_most_the_tail_above() -> None:
    """The lowest edge exceeded by at most 5 % of the values."""
    assert reference_edge((90, 6, 4, 0, 0), 0.95) == 1
    assert reference_edge((0, 0, 0, 0, 9), 0.95) is None
    assert reference_edge((0,) * 5, 0.95) is None


def test_the_estimate_lies_in_its_bucket() -> None:
    """Interpolated within the bucket, unknown beyond the last edge and without values."""
    assert pytest.approx(75.0) == quantile_estimate(EDGES, (90, 10, 0, 0, 0), 0.95)
    assert quantile_estimate(EDGES, (0, 0, 0, 0, 9), 0.95) is None
    assert quantile_estimate(EDGES, (0,) * 5, 0.95) is None


def test_the_interval_covers_at_every_look_together() -> None:
    """The true 95 % quantile is ever left out in at most 5 % of 200 sequences of 60 looks."""
    rng = np.random.default_rng(2)
    edges = tuple(float(e) for e in (60, 80, 95, 110, 150, 250))
    truth = math.exp(4.0 + 1.6448536 * 0.4)
    left_out = 0
    for _ in range(200):
        values = np.exp(rng.normal(4.0, 0.4, (60, 30)))
        counts = np.stack([np.histogram(row, [-1.0, *edges, 1e12])[0] for row in values]).cumsum(axis=0)
        looks = (quantile_interval(edges, tuple(row.tolist()), 0.95) for row in counts)
        left_out += any(not low <= truth <= high for low, high in looks)
    assert left_out <= 10 + 2 * math.sqrt(200 * 0.05 * 0.95)


def test_no_values_bound_nothing() -> None:
    """Both ends are open without data."""
    assert (-math.inf, math.inf) == quantile_interval(EDGES, (0,) * 5, 0.95)
