"""Quantiles judged by how many values exceed an edge of a histogram.

"The 95 % quantile is at most 200 ms" says the same as "at most 5 % of the values exceed 200 ms", and the latter
is a proportion: exact, in constant memory, without estimating any quantile. An edge must lie at the limit; where
none does, harm is counted above the next higher edge and proof above the next lower one, both on the safe side.
"""

import bisect
import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from firstflight.analysis.proportion import Interval, log_mixture

_PSEUDO = 10.0


class LimitEdges(NamedTuple):
    """Indices of the edges that stand for a limit; None where the histogram has none on that side."""

    harm: int | None
    proof: int | None
    exact: bool


def edges_for(edges: Sequence[float], limit: float) -> LimitEdges:
    """Return the lowest edge not below `limit`, the highest not above it, and whether they are the same."""
    at = bisect.bisect_left(edges, limit)
    for index in (at - 1, at):
        if 0 <= index < len(edges) and math.isclose(edges[index], limit, rel_tol=1e-9):
            return LimitEdges(index, index, exact=True)
    return LimitEdges(at if at < len(edges) else None, at - 1 if at > 0 else None, exact=False)


def above(counts: Sequence[int], edge: int) -> int:
    """Return how many values exceed edge number `edge`."""
    return sum(counts[edge + 1 :])


def reference_edge(counts: Sequence[int], quantile: float) -> int | None:
    """Return the lowest edge that at most a share 1 - `quantile` of the values exceed; None without values."""
    total = sum(counts)
    if total == 0:
        return None
    allowed = (1 - quantile) * total
    remaining = total
    for index, count in enumerate(counts[:-1]):
        remaining -= count
        if remaining <= allowed:
            return index
    return None


def quantile_estimate(edges: Sequence[float], counts: Sequence[int], quantile: float) -> float | None:
    """Return the quantile, linear within its bucket; None without values or beyond the last edge."""
    wanted = quantile * sum(counts)
    if wanted == 0:
        return None
    reached = 0.0
    for index, count in enumerate(counts[:-1]):
        if count and reached + count >= wanted:
            lower = edges[index - 1] if index else min(0.0, edges[0])
            return lower + (edges[index] - lower) * (wanted - reached) / count
        reached += count
    return None


def quantile_interval(edges: Sequence[float], counts: Sequence[int], quantile: float, alpha: float = 0.05) -> Interval:
    """Return an always-valid interval for a quantile, rounded outward to the edges of the histogram.

    The number of values up to the quantile is a sum of Bernoulli(`quantile`) variables; an edge is outside once the
    two-sided beta-binomial mixture at that very probability, with a Beta(10·q, 10·(1-q)) prior, rejects its count
    (Howard and Ramdas, "Sequential estimation of quantiles with applications to A/B testing and best-arm
    identification", Bernoulli 28, 2022, arXiv 1906.09712: one quantile needs no union over values).
    """
    total = sum(counts)
    threshold = -math.log(alpha)
    prior = (_PSEUDO * quantile, _PSEUDO * (1 - quantile))
    low, high = -math.inf, math.inf
    if total == 0:
        return Interval(low, high)
    reached = list(itertools.accumulate(counts[:-1]))
    middle = bisect.bisect_left(reached, quantile * total)
    for index in range(middle - 1, -1, -1):  # the mixture grows away from the quantile: the nearest edges tell
        if log_mixture(reached[index], total, quantile, prior) >= threshold:
            low = edges[index]
            break
    for index in range(middle, len(reached)):
        if log_mixture(reached[index], total, quantile, prior) >= threshold:
            high = edges[index]
            break
    return Interval(low, high)
