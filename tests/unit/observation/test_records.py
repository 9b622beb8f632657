"""What counts as failed, and whom it counts for; and the histogram's edges."""

from datetime import UTC, datetime
from typing import Any

import pytest

from firstflight.domain.latency import EDGES, bucket
from firstflight.observation.records import Prediction, unit_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def prediction(**changes: Any) -> Prediction:
    """A healthy request, with `changes`."""
    fields = {
        "rid": "r",
        "listener": "main",
        "route": "m",
        "unit": "u",
        "assigned": "a",
        "served": "a",
        "prediction": 0.5,
        "code": 200,
        "us": 1,
        "at": NOW,
    }
    return Prediction(**(fields | changes))


@pytest.mark.parametrize(
    ("changes", "failed", "arm"),
    [
        ({}, False, "a"),
        ({"code": 500}, True, "a"),
        ({"code": 0}, True, "a"),
        ({"code": 404}, False, "a"),
        ({"served": "b"}, True, "a"),
        ({"served": None, "code": 503}, True, "a"),
        ({"assigned": None, "served": None, "code": 404}, False, None),
        ({"listener": "mirror", "assigned": None, "served": "s"}, False, "s"),
        ({"listener": "mirror", "assigned": "s", "served": None, "code": 503}, True, "s"),
        ({"listener": "mirror", "assigned": "other", "served": "s"}, False, "s"),
    ],
)
def test_failure_and_arm(changes: dict[str, Any], failed: bool, arm: str | None) -> None:  # noqa: FBT001  # a column of the table
    """A request fails by its code or by another model stepping in, and counts for who was meant to answer."""
    assert (failed, arm) == (prediction(**changes).failed, prediction(**changes).arm)


def test_the_unit_of_a_later_pass() -> None:
    """The pass is no part of the unit."""
    assert ["AAPL@2019-01-02"] * 2 == [unit_of("AAPL@2019-01-02"), unit_of("AAPL@2019-01-02~3")]


def test_edges_ascend_and_hold_round_limits() -> None:
    """Edges ascend from 0.5 to 10,000 ms in whole microseconds, and the limits people choose are among them."""
    assert sorted(set(EDGES)) == list(EDGES)
    assert (0.5, 10_000.0) == (EDGES[0], EDGES[-1])
    assert {1.0, 5.0, 10.0, 50.0, 100.0, 150.0, 200.0, 250.0, 300.0, 500.0, 1000.0, 2000.0} <= set(EDGES)
    assert all(float(edge * 1000).is_integer() for edge in EDGES)
    assert EDGES.index(200.0) == bucket(200.0)
    assert EDGES.index(200.0) + 1 == bucket(200.001)
