"""Faults so blatant that no statistics are needed: what the router has counted in the last seconds says it."""

from collections.abc import Sequence
from itertools import accumulate

from firstflight.domain.samples import Histogram
from firstflight.serving.backend import RouterTally

FEWEST_FAILURES = 5
FAILING = 0.5
"""Share of the candidate's requests; five of ten have a chance of 3 in 10 million at the 1 % a plan allows."""
EVERYBODY = 0.25
"""When the stable model fails this much too, the trouble is not the candidate's alone, and going home no cure."""
FEWEST_TIMED = 20
STABLE_QUANTILE = 0.95
TIMES_SLOWER = 2.0
"""Half of the candidate's answers take longer than this many times the stable model's p95."""


def since(before: RouterTally, now: RouterTally) -> RouterTally:
    """Return what was counted between two readings; after a restart of the router that is all it has counted."""
    if now.requests < before.requests or now.failures < before.failures:
        return now
    return RouterTally(
        requests=now.requests - before.requests,
        failures=now.failures - before.failures,
        latency=_difference(before.latency, now.latency),
    )


def hard_fault(stable: RouterTally, candidate: RouterTally) -> str | None:
    """Return what is blatantly wrong with the candidate, in a sentence; None when nothing is.

    Both tallies are of the same few seconds.
    """
    if candidate.failures >= FEWEST_FAILURES and _failing(candidate) >= FAILING and _failing(stable) < EVERYBODY:
        return (
            f"{candidate.failures} of the candidate's last {max(candidate.requests, candidate.failures)} requests "
            f"failed (stable: {stable.failures} of {stable.requests})"
        )
    if stable.latency is None or candidate.latency is None:
        return None
    if min(sum(stable.latency.counts), sum(candidate.latency.counts)) < FEWEST_TIMED:
        return None
    slow, usual = _at_least(candidate.latency, 0.5), _at_most(stable.latency, STABLE_QUANTILE)
    if slow >= TIMES_SLOWER * usual:
        return f"half of the candidate's answers take longer than {slow:g} ms, the stable model's p95 is {usual:g} ms"
    return None


def _failing(tally: RouterTally) -> float:
    asked = max(tally.requests, tally.failures)
    return tally.failures / asked if asked else 0.0


def _at_least(times: Histogram, share: float) -> float:
    """Return a time that the quantile is not below: the lower edge of its bucket."""
    return (0.0, *times.edges)[_bucket(times.counts, share)]


def _at_most(times: Histogram, share: float) -> float:
    """Return a time that the quantile does not exceed: the upper edge of its bucket."""
    return (*times.edges, float("inf"))[_bucket(times.counts, share)]


def _bucket(counts: Sequence[int], share: float) -> int:
    upto = list(accumulate(counts))
    return next(number for number, total in enumerate(upto) if total >= share * upto[-1])


def _difference(before: Histogram | None, now: Histogram | None) -> Histogram | None:
    if before is None or now is None or before.edges != now.edges:
        return now
    counts = tuple(new - old for old, new in zip(before.counts, now.counts, strict=True))
    return Histogram(edges=now.edges, counts=counts) if min(counts) >= 0 else now
