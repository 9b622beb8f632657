"""Faults that need no statistics."""

import pytest

from firstflight.domain.samples import Histogram
from firstflight.guard.hard_faults import hard_fault, since
from firstflight.serving.backend import RouterTally

EDGES = (5.0, 10.0, 25.0, 50.0)


def times(*counts: int) -> Histogram:
    """A histogram over the edges above."""
    return Histogram(edges=EDGES, counts=counts)


@pytest.mark.parametrize(
    ("stable", "candidate", "fault"),
    [
        (RouterTally(requests=95), RouterTally(requests=5, failures=5), True),
        (RouterTally(requests=95), RouterTally(requests=0, failures=6), True),
        (RouterTally(requests=95), RouterTally(requests=4, failures=4), False),
        (RouterTally(requests=95), RouterTally(requests=100, failures=49), False),
        (RouterTally(requests=95, failures=40), RouterTally(requests=5, failures=5), False),
        (RouterTally(), RouterTally(), False),
    ],
)
def test_a_burst_of_failures(stable: RouterTally, candidate: RouterTally, fault: bool) -> None:  # noqa: FBT001 - a case
    """Five failures that are half of the requests, unless the stable model fails too."""
    assert fault == (hard_fault(stable, candidate) is not None)


@pytest.mark.parametrize(
    ("stable", "candidate", "fault"),
    [
        (times(100, 0, 0, 0, 0), times(0, 0, 20, 0, 0), True),
        (times(100, 0, 0, 0, 0), times(0, 0, 19, 0, 0), False),
        (times(100, 0, 0, 0, 0), times(0, 20, 0, 0, 0), False),
        (times(0, 0, 0, 0, 100), times(0, 0, 0, 0, 100), False),
        (times(10, 0, 0, 0, 0), times(0, 0, 0, 0, 20), False),
    ],
)
def test_latency_doubled(stable: Histogram, candidate: Histogram, fault: bool) -> None:  # noqa: FBT001 - a case
    """Half of the answers take twice the stable model's p95, each by the edge that is against a fault."""
    found = hard_fault(RouterTally(requests=100, latency=stable), RouterTally(requests=100, latency=candidate))
    assert fault == (found is not None)


def test_counts_between_two_readings() -> None:
    """The difference of two readings; after a restart of the router all that is counted is new."""
    before = RouterTally(requests=10, failures=1, latency=times(10, 0, 0, 0, 0))
    now = RouterTally(requests=15, failures=1, latency=times(12, 3, 0, 0, 0))
    assert RouterTally(requests=5, failures=0, latency=times(2, 3, 0, 0, 0)) == since(before, now)
    assert before == since(now, before)
