"""Tests of moments: they add up, they do not lose small spreads, and odd input has a name."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstflight.analysis.moments import (
    differences,
    from_counts,
    from_sums,
    from_values,
    increase,
    merge,
    merge_counts,
    merge_pairs,
    pairs_from_sums,
    pairs_from_values,
    variance,
)
from firstflight.domain.samples import Counts, Moments, NoData, PairedMoments

numbers = st.floats(-1e6, 1e6)
several = st.lists(numbers, max_size=30)
units = st.lists(st.tuples(numbers, numbers), max_size=30)


def moments(values: Sequence[float]) -> Moments:
    """The moments of finite values."""
    found = from_values(values)
    assert isinstance(found, Moments)
    return found


def pairs(values: Sequence[tuple[float, float]]) -> PairedMoments:
    """The joint moments of finite (control, treatment) values."""
    found = pairs_from_values([c for c, _ in values], [t for _, t in values])
    assert isinstance(found, PairedMoments)
    return found


def assert_same(expected: Moments, actual: Moments) -> None:
    """The same but for rounding."""
    assert expected.count == actual.count
    assert expected.mean == pytest.approx(actual.mean, rel=1e-9, abs=1e-9)
    assert expected.m2 == pytest.approx(actual.m2, rel=1e-9, abs=1e-3)


@given(several, several)
def test_merging_is_concatenation(first: list[float], second: list[float]) -> None:
    """Moments merged are those of all values together."""
    assert_same(moments(first + second), merge(moments(first), moments(second)))


@given(several, several, several)
def test_merging_in_any_order(first: list[float], second: list[float], third: list[float]) -> None:
    """It does not matter which windows are added up first."""
    a, b, c = moments(first), moments(second), moments(third)
    assert_same(merge(merge(a, b), c), merge(a, merge(c, b)))


@given(units, units)
def test_merging_pairs_is_concatenation(first: list[tuple[float, float]], second: list[tuple[float, float]]) -> None:
    """Joint moments merged are those of all units together, cross-product included."""
    expected, actual = pairs(first + second), merge_pairs(pairs(first), pairs(second))
    assert expected.count == actual.count
    assert expected.control_mean == pytest.approx(actual.control_mean, rel=1e-9, abs=1e-9)
    assert expected.treatment_m2 == pytest.approx(actual.treatment_m2, rel=1e-9, abs=1e-3)
    assert expected.cross == pytest.approx(actual.cross, rel=1e-9, abs=1e-2)


@given(several, numbers)
def test_a_shift_moves_the_mean_alone(values: list[float], shift: float) -> None:
    """Adding a constant leaves the spread as it was."""
    shifted = moments([value + shift for value in values])
    assert moments(values).m2 == pytest.approx(shifted.m2, rel=1e-9, abs=1e-2)


def test_a_billion_observations_keep_their_spread() -> None:
    """Of 1e9 observations with mean 1e6 and standard deviation 1, both survive to nine digits."""
    whole = moments([1e6 - 1.0, 1e6 + 1.0])
    while whole.count < 10**9:
        whole = merge(whole, whole)
    assert 1e6 == pytest.approx(whole.mean, rel=1e-12)
    assert 1.0 == pytest.approx(variance(whole), rel=1e-8)


def test_a_long_stream_of_looks_keeps_its_spread() -> None:
    """100,000 looks of 10,000 observations each, added up one by one, keep mean 1e6 and standard deviation 1."""
    look = Moments(count=10_000, mean=1e6, m2=10_000.0)
    whole = Moments(count=0)
    for _ in range(100_000):
        whole = merge(whole, look)
    assert 10**9 == whole.count
    assert 1e6 == pytest.approx(whole.mean, rel=1e-14)
    assert 1.0 == pytest.approx(variance(whole), rel=1e-8)


def test_sums_about_a_shift_keep_the_spread() -> None:
    """Sums kept about the mean give back what plain sums of squares would have lost."""
    found = from_sums(10**9, total=0.0, total_squares=1e9, shift=1e6)
    assert Moments(count=10**9, mean=1e6, m2=1e9) == found


@given(st.lists(st.integers(-1000, 1000), max_size=30))
def test_sums_give_what_values_give(values: list[int]) -> None:
    """Σx and Σx² say the same as the values."""
    found = from_sums(len(values), sum(values), sum(value * value for value in values))
    assert isinstance(found, Moments)
    assert_same(moments(values), found)


@given(st.lists(st.tuples(st.integers(-99, 99), st.integers(-99, 99)), max_size=30))
def test_sums_of_pairs_give_what_values_give(values: list[tuple[int, int]]) -> None:
    """Σc, Σt, Σc², Σt² and Σct say the same as the pairs."""
    found = pairs_from_sums(
        len(values),
        (sum(c for c, _ in values), sum(t for _, t in values)),
        (sum(c * c for c, _ in values), sum(t * t for _, t in values)),
        sum(c * t for c, t in values),
    )
    assert isinstance(found, PairedMoments)
    assert pairs(values).cross == pytest.approx(found.cross, abs=1e-6)
    assert pairs(values).control_m2 == pytest.approx(found.control_m2, abs=1e-6)


@given(units)
def test_differences_are_those_of_the_units(values: list[tuple[float, float]]) -> None:
    """The moments of treatment - control follow from the joint ones."""
    assert_same(moments([t - c for c, t in values]), differences(pairs(values)))


def test_identical_arms_do_not_differ_by_rounding() -> None:
    """Two arms that agree on every unit have differences without any spread."""
    same = pairs([(value / 7, value / 7) for value in range(100)])
    assert 0.0 == differences(same).m2


def test_counts_are_moments_of_zeros_and_ones() -> None:
    """3 events in 10 exposures are three ones and seven zeros."""
    assert_same(moments([1.0] * 3 + [0.0] * 7), from_counts(Counts(exposures=10, events=3)))
    assert Moments(count=0) == from_counts(Counts(exposures=0, events=0))


def test_counts_add_up() -> None:
    """Counts merged are the sum of both."""
    assert Counts(exposures=7, events=3) == merge_counts(Counts(exposures=3, events=1), Counts(exposures=4, events=2))


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], None), ([5.0], None), ([5.0, 5.0], 0.0), ([0.1] * 7, 0.0), ([1.0, 3.0], 2.0), ([1e6 + 0.1] * 1000, 0.0)],
)
def test_variance_of_few_and_of_equal_values(values: list[float], expected: float | None) -> None:
    """One value has no variance; equal values have none, whatever rounding makes of them."""
    assert expected == variance(moments(values))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_no_data(value: float) -> None:
    """An infinite value is named, never averaged."""
    assert NoData(reason="1 of 3 values are not finite") == from_values([1.0, value, 2.0])
    assert isinstance(pairs_from_values([1.0, value], [1.0, 2.0]), NoData)
    assert isinstance(from_sums(3, value, 1.0), NoData)
    assert isinstance(pairs_from_sums(3, (1.0, value), (1.0, 1.0), 1.0), NoData)


def test_what_overflows_is_no_data() -> None:
    """Values whose spread no number can hold are named."""
    assert isinstance(from_values([1e308, 1e308, 1e308]), NoData)
    assert isinstance(from_values([1e200, -1e200]), NoData)
    assert isinstance(pairs_from_values([1e200, -1e200], [1.0, 2.0]), NoData)


def test_arms_of_different_length_are_no_pairs() -> None:
    """Pairs need both values of each unit."""
    with pytest.raises(ValueError, match="2 control values for 1 treatment"):
        pairs_from_values([1.0, 2.0], [1.0])


@pytest.mark.parametrize(("before", "after", "expected"), [(5, 8, 3), (8, 8, 0), (8, 3, 3), (8, 0, 0)])
def test_a_counter_that_falls_was_reset(before: int, after: int, expected: int) -> None:
    """After a restart a counter holds only what came since."""
    assert expected == increase(before, after)
