"""A quick sample of the drills in the clock twin; `python -m benchmarks.faults.drills` goes through a thousand."""

import logging

import pytest

from benchmarks.faults.drills import FAULTS, drill

MOST_TO_DECIDE = {"killed driver": 36.0, "inverted predictions": 120.0, "clock back, inverted": 120.0}
"""Seconds: a lost lease and a round; what only statistics can tell. All others have one round and what it takes."""


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_traffic_is_home_and_proved(fault: str) -> None:
    """Decided in time, and no request reaches the candidate, verified, within five seconds of that."""
    logging.disable(logging.CRITICAL)
    done = drill(fault, 11)
    logging.disable(logging.NOTSET)
    assert done.decided is not None
    assert done.decided <= MOST_TO_DECIDE.get(fault, 8.0)
    assert done.verified is not None
    assert done.verified - done.decided <= 5.0
