"""Tests of effect sizes: their edges have names, and units do not matter."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from firstflight.analysis.effect_size import effect_size, small_sample_correction
from firstflight.analysis.moments import from_counts, from_values
from firstflight.analysis.status import Status
from firstflight.domain.samples import Counts, Moments, NoData

samples = st.lists(
    st.integers(-1_000_000, 1_000_000).map(lambda thousandths: thousandths / 1000), min_size=3, max_size=20
)
"""Figures that a shift of a few tens does not swallow."""


@pytest.mark.parametrize(
    ("control", "treatment", "status"),
    [
        ([], [1.0, 2.0], Status.NO_DATA),
        ([1.0], [1.0, 2.0], Status.INSUFFICIENT_DATA),
        ([1.0, 1.0], [2.0, 2.0], Status.ZERO_VARIANCE),
        ([1.0, 2.0], [2.0, 3.0], Status.OK),
    ],
)
def test_edges_of_effect_sizes_have_names(control: list[float], treatment: list[float], status: Status) -> None:
    """Empty, single and equal values have a status and no numbers."""
    found = effect_size(from_values(control), from_values(treatment))
    assert status == found.status
    assert (status is Status.OK) == (found.g is not None)


def test_effect_size_of_no_data() -> None:
    """Absence stays absence."""
    assert Status.NO_DATA == effect_size(NoData(reason="none"), Moments(count=2)).status


def test_effect_size_beyond_numbers() -> None:
    """An effect that no number can hold has a name."""
    tiny = Moments(count=2, mean=0.0, m2=1e-300)
    assert Status.NOT_FINITE == effect_size(tiny, Moments(count=2, mean=1e200, m2=0.0)).status


@pytest.mark.parametrize(
    ("freedom", "expected"),
    [(2, 0.5642), (3, 0.7236), (4, 0.7979), (10, 0.9228), (20, 0.9619), (50, 0.9849)],
)
def test_small_sample_correction_is_the_published_table(freedom: int, expected: float) -> None:
    """Hedges' J(m) as tabulated by Hedges (Journal of Educational Statistics 6, 1981, table 1)."""
    assert expected == pytest.approx(small_sample_correction(freedom), abs=1.1e-4)


def test_small_sample_correction_is_smooth_where_the_series_begins() -> None:
    """The two formulas meet."""
    assert small_sample_correction(99_999) == pytest.approx(small_sample_correction(100_001), abs=1e-9)


def test_a_twentyfold_error_rate_is_called_negligible() -> None:
    """Why d decides nothing: from 0.1 to 2 % errors it is below the usual 0.2."""
    old, new = Counts(exposures=10_000, events=10), Counts(exposures=10_000, events=200)
    assert 0.2 > (effect_size(from_counts(old), from_counts(new)).d or 1.0)


@given(samples, samples, st.integers(-50, 50), st.sampled_from([0.5, 2.0, 4.0]))
def test_units_do_not_change_effect_sizes(
    control: list[float], treatment: list[float], shift: int, scale: float
) -> None:
    """Both d and g are the same in any unit, and change sign with the arms."""
    one = effect_size(from_values(control), from_values(treatment))
    assume(one.d is not None and abs(one.d) < 1e6)
    moved = [[scale * value + shift for value in arm] for arm in (control, treatment)]
    other = effect_size(from_values(moved[0]), from_values(moved[1]))
    turned = effect_size(from_values(treatment), from_values(control))
    assert one.d == pytest.approx(other.d, rel=1e-5, abs=1e-9)
    assert one.g == pytest.approx(-(turned.g or 0.0), rel=1e-9, abs=1e-12)
    assert abs(one.g or 0.0) <= abs(one.d or 0.0)
