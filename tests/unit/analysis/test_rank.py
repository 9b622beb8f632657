"""Tests of the Mann-Whitney test: its edges, and that buckets are ties."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstflight.analysis.rank import RankTest, mann_whitney, mann_whitney_of_histograms
from firstflight.analysis.status import Status
from firstflight.domain.samples import Histogram, NoData

EDGES = tuple(float(value) for value in range(10))
whole = st.lists(st.integers(0, 10), min_size=1, max_size=40)


def of_values(values: list[int]) -> Histogram:
    """The histogram of whole numbers, each its own bucket."""
    return Histogram(edges=EDGES, counts=tuple(values.count(place) for place in range(11)))


@pytest.mark.parametrize(
    ("control", "treatment", "status"),
    [
        ([], [1.0], Status.NO_DATA),
        ([1.0], [], Status.NO_DATA),
        ([1.0, 1.0], [1.0, 1.0, 1.0], Status.ZERO_VARIANCE),
        ([1.0, math.nan], [1.0], Status.NOT_FINITE),
        ([1.0, math.inf], [2.0, 2.0], Status.OK),
        ([1.0], [2.0], Status.OK),
    ],
)
def test_edges_of_ranks_have_names(control: list[float], treatment: list[float], status: Status) -> None:
    """Nothing, only ties, and what is not a number have names; infinity has a rank."""
    found = mann_whitney(control, treatment)
    assert status == found.status
    assert (status is Status.OK) == (found.p_value is not None)


def test_one_against_one_says_nothing() -> None:
    """Of two values one is the larger in any case."""
    assert 1.0 == mann_whitney([1.0], [2.0]).p_value


@given(whole, whole)
def test_buckets_are_ties(control: list[int], treatment: list[int]) -> None:
    """A histogram gives what its values would give once each is replaced by its bucket."""
    doubled = [value for value in control for _ in range(2)], [value for value in treatment for _ in range(2)]
    raw = mann_whitney([float(value) for value in doubled[0]], [float(value) for value in doubled[1]])
    assert raw == mann_whitney_of_histograms(of_values(doubled[0]), of_values(doubled[1]))


@given(whole, whole)
def test_ranks_are_symmetric(control: list[int], treatment: list[int]) -> None:
    """Exchanging the arms exchanges who is larger."""
    one = mann_whitney_of_histograms(of_values(control), of_values(treatment))
    other = mann_whitney_of_histograms(of_values(treatment), of_values(control))
    assert one.p_value == other.p_value
    assert one.superiority == pytest.approx(1 - (other.superiority or 0.0))


@given(whole, whole)
def test_only_the_order_matters(control: list[int], treatment: list[int]) -> None:
    """Any increasing change of scale leaves the test as it was."""
    one = mann_whitney(control, treatment)
    assert one == mann_whitney([math.exp(value) for value in control], [math.exp(value) for value in treatment])


def test_a_billion_values_do_not_overflow() -> None:
    """A half-per-cent shift among 1e9 values is seen."""
    old = Histogram(edges=(1.0, 2.0), counts=(500_000_000, 400_000_000, 100_000_000))
    new = Histogram(edges=(1.0, 2.0), counts=(497_500_000, 401_000_000, 101_500_000))
    found = mann_whitney_of_histograms(old, new)
    assert (Status.OK, 0.0) == (found.status, found.p_value)
    assert 0.5 < (found.superiority or 0.0) < 0.51


def test_histograms_that_cannot_be_compared() -> None:
    """Different edges are refused; absence is absence."""
    with pytest.raises(ValueError, match="cannot be compared"):
        mann_whitney_of_histograms(of_values([1]), Histogram(edges=(1.0,), counts=(1, 0)))
    assert RankTest(Status.NO_DATA) == mann_whitney_of_histograms(of_values([1]), NoData(reason="none"))
    assert RankTest(Status.NO_DATA) == mann_whitney_of_histograms(of_values([1]), of_values([]))
