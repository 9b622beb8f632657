"""Tests of histograms: they add up, resets are seen, and quantile bounds hold what they should."""

import bisect

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from firstflight.analysis.histogram import increased, merge_histograms, quantile_bounds
from firstflight.analysis.status import Status
from firstflight.domain.samples import Histogram

EDGES = (1.0, 2.0, 5.0, 10.0)


def of_values(values: list[float], edges: tuple[float, ...] = EDGES) -> Histogram:
    """The histogram of raw values."""
    counts = [0] * (len(edges) + 1)
    for value in values:
        counts[bisect.bisect_left(edges, value)] += 1
    return Histogram(edges=edges, counts=tuple(counts))


values = st.lists(st.floats(0, 20), max_size=50)


@given(values, values)
def test_merging_histograms_is_concatenation(first: list[float], second: list[float]) -> None:
    """Histograms merged are that of all values together."""
    assert of_values(first + second) == merge_histograms(of_values(first), of_values(second))


def test_different_edges_do_not_add_up() -> None:
    """Histograms of different edges are refused, both named."""
    with pytest.raises(ValueError, match="cannot be added up"):
        merge_histograms(of_values([]), of_values([], (1.0,)))
    with pytest.raises(ValueError, match="cannot be compared"):
        increased(of_values([]), of_values([], (1.0,)))


def test_readings_of_a_cumulative_histogram() -> None:
    """Two readings give what lies between them; after a restart, all that is there."""
    before, after = of_values([1, 1, 3]), of_values([1, 1, 3, 4, 20])
    assert of_values([4, 20]) == increased(before, after)
    assert of_values([1]) == increased(after, of_values([1]))


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("count", [30, 200, 2000])
def test_bounds_are_those_of_the_order_statistics_rounded_outward(quantile: float, count: int) -> None:
    """With an edge at every value the bounds enclose scipy's distribution-free interval, and tightly."""
    drawn = np.sort(np.random.default_rng(count).lognormal(3, 0.5, count)).round(6)
    found = quantile_bounds(of_values(list(drawn), tuple(drawn)), quantile, 0.05)
    test = scipy.stats.quantile_test(drawn, q=0.0, p=quantile)
    expected = test.confidence_interval(0.95)
    if found.low is not None and not np.isnan(expected.low):
        assert found.low <= expected.low
        assert np.searchsorted(drawn, expected.low) - np.searchsorted(drawn, found.low) <= 2
    if found.high is not None and not np.isnan(expected.high):
        assert found.high >= expected.high
        assert np.searchsorted(drawn, found.high) - np.searchsorted(drawn, expected.high) <= 1


def test_bounds_miss_as_rarely_as_they_promise() -> None:
    """Of 2,000 samples at most 5 % have a 95 % interval that misses the true quantile, within the noise of counting."""
    random = np.random.default_rng(11)
    edges = tuple(np.geomspace(1, 200, 60))
    truth = float(scipy.stats.lognorm(0.5, scale=20).ppf(0.95))
    missed = 0
    for _ in range(2000):
        drawn = random.lognormal(np.log(20), 0.5, 300)
        counts = np.bincount(np.searchsorted(edges, drawn), minlength=len(edges) + 1)
        found = quantile_bounds(Histogram(edges=edges, counts=tuple(int(n) for n in counts)), 0.95, 0.05)
        below = found.low is not None and truth <= found.low
        above = found.high is not None and truth > found.high
        missed += below or above
    assert missed <= 2000 * 0.05 + 3 * np.sqrt(2000 * 0.05)


@pytest.mark.parametrize(
    ("histogram", "expected"),
    [
        (of_values([]), Status.NO_DATA),
        (of_values([3]), Status.INSUFFICIENT_DATA),
        (of_values([3] * 1000), Status.OK),
    ],
)
def test_bounds_of_nothing_and_of_little(histogram: Histogram, expected: Status) -> None:
    """No value and too few values have names."""
    assert expected == quantile_bounds(histogram, 0.95).status


def test_a_quantile_beyond_the_last_edge_is_open() -> None:
    """What lies above the last edge has no upper end."""
    found = quantile_bounds(of_values([100.0] * 1000), 0.95)
    assert (10.0, None) == (found.low, found.high)


@given(st.integers(1, 40))
def test_more_values_never_widen_the_bounds(times: int) -> None:
    """The same values again make the interval no wider."""
    drawn = of_values([0.5, 1.5, 3.0, 7.0])
    less = Histogram(edges=EDGES, counts=tuple(count * times * 5 for count in drawn.counts))
    more = Histogram(edges=EDGES, counts=tuple(count * 50 for count in less.counts))
    few, many = quantile_bounds(less, 0.5), quantile_bounds(more, 0.5)
    assert (few.low or 0.0) <= (many.low or 0.0)
    assert (many.high or 99.0) <= (few.high or 99.0)
