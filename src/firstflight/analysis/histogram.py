"""Histograms that can be added up, and what they can tell about a quantile."""

from dataclasses import dataclass

from firstflight.analysis.moments import increase
from firstflight.analysis.status import Status
from firstflight.domain.samples import Histogram


@dataclass(frozen=True)
class QuantileBounds:
    """A quantile between edges of the histogram; an end is None where it lies beyond the first or last edge.

    Status `insufficient_data`: too few values for either end at this level.
    """

    status: Status
    low: float | None = None
    high: float | None = None


def merge_histograms(first: Histogram, second: Histogram) -> Histogram:
    """Return the histogram of both sets of values.

    Raises:
        ValueError: The edges differ.
    """
    if first.edges != second.edges:
        raise ValueError(f"histograms with edges {first.edges} and {second.edges} cannot be added up")
    return Histogram(edges=first.edges, counts=tuple(a + b for a, b in zip(first.counts, second.counts, strict=True)))


def increased(previous: Histogram, current: Histogram) -> Histogram:
    """Return what a cumulative histogram gained between two readings; if any bucket fell, all began again at 0.

    Raises:
        ValueError: The edges differ.
    """
    if previous.edges != current.edges:
        raise ValueError(f"readings with edges {previous.edges} and {current.edges} cannot be compared")
    pairs = tuple(zip(previous.counts, current.counts, strict=True))
    if any(after < before for before, after in pairs):
        return current
    return Histogram(edges=current.edges, counts=tuple(int(increase(before, after)) for before, after in pairs))


def quantile_bounds(histogram: Histogram, quantile: float, alpha: float = 0.05) -> QuantileBounds:
    """Return the distribution-free interval of a quantile, rounded outward to the edges of the histogram.

    Ranks l and u with P(B < l) ≤ alpha/2 and P(B ≥ u) ≤ alpha/2 for B ~ Binomial(n, quantile) bound the quantile by the
    order statistics x_(l) and x_(u) (David and Nagaraja, "Order statistics", 3rd ed. 2003, section 7.1); a bucket
    tells between which edges each lies.
    """
    total = sum(histogram.counts)
    if total == 0:
        return QuantileBounds(Status.NO_DATA)
    from scipy.stats import binom  # noqa: PLC0415 - takes a second to import, which no canary should wait for

    at = int(binom.ppf(alpha / 2, total, quantile))
    lower_rank = at if binom.cdf(at - 1, total, quantile) <= alpha / 2 else at - 1
    upper_rank = int(binom.isf(alpha / 2, total, quantile)) + 1
    low = _edge_below(histogram, lower_rank) if lower_rank >= 1 else None
    high = _edge_above(histogram, upper_rank) if upper_rank <= total else None
    found = low is not None or high is not None
    return QuantileBounds(Status.OK if found else Status.INSUFFICIENT_DATA, low, high)


def _edge_below(histogram: Histogram, rank: int) -> float | None:
    """Return the edge below the value of this rank, counted from 1."""
    index = _bucket(histogram, rank)
    return histogram.edges[index - 1] if index else None


def _edge_above(histogram: Histogram, rank: int) -> float | None:
    """Return the edge above the value of this rank, counted from 1."""
    index = _bucket(histogram, rank)
    return histogram.edges[index] if index < len(histogram.edges) else None


def _bucket(histogram: Histogram, rank: int) -> int:
    """Return the bucket that holds the value of this rank, which is at most the number of values."""
    reached = 0
    for index, count in enumerate(histogram.counts):
        reached += count
        if reached >= rank:
            return index
    return len(histogram.counts) - 1
