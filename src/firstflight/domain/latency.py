"""The edges of every latency histogram: fixed, so that histograms of any window, arm and process add up."""

import bisect
from collections.abc import Sequence

from firstflight.domain.samples import Histogram

_STEPS = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0)

EDGES: tuple[float, ...] = (
    *(step / 10 for step in _STEPS if step >= 5.0),  # noqa: PLR2004 - nothing answers within half a millisecond
    *(step * scale for scale in (1.0, 10.0, 100.0, 1000.0) for step in _STEPS),
    10_000.0,
)
"""Milliseconds, from 0.5 to 10,000, nearly even in logarithm; round limits (100, 150, 200, 250, 300, 500) are edges."""


def bucket(milliseconds: float) -> int:
    """Return the number of the bucket `(EDGES[i-1], EDGES[i]]` that holds `milliseconds`."""
    return bisect.bisect_left(EDGES, milliseconds)


def histogram(counts: Sequence[int]) -> Histogram:
    """Return the histogram whose bucket i holds `counts[i]` values."""
    return Histogram(edges=EDGES, counts=tuple(counts))
