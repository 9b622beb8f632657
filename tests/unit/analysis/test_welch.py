"""Tests of Welch's t: its edges have names, and it is the same from either side."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from firstflight.analysis.moments import from_values
from firstflight.analysis.status import Status
from firstflight.analysis.welch import MeanTest, t_test, welch_t
from firstflight.domain.samples import Moments, NoData

samples = st.lists(st.floats(-1000, 1000), min_size=2, max_size=20)


def welch(control: Sequence[float], treatment: Sequence[float], alpha: float = 0.05) -> MeanTest:
    """Welch's test of raw values."""
    return welch_t(from_values(control), from_values(treatment), alpha)


@pytest.mark.parametrize(
    ("control", "treatment", "status"),
    [
        ([], [1, 2, 3], Status.NO_DATA),
        ([1, 2, 3], [], Status.NO_DATA),
        ([1], [1, 2, 3], Status.INSUFFICIENT_DATA),
        ([1, 2, 3], [9], Status.INSUFFICIENT_DATA),
        ([2, 2, 2], [2, 2, 2], Status.ZERO_VARIANCE),
        ([2, 2, 2], [3, 3, 3], Status.ZERO_VARIANCE),
        ([0.1] * 7, [0.3] * 7, Status.ZERO_VARIANCE),
        ([1, math.inf], [1, 2], Status.NO_DATA),
        ([1, math.nan], [1, 2], Status.NO_DATA),
        ([1, 2, 3], [3, 3, 3], Status.OK),
    ],
)
def test_edges_have_names(control: list[float], treatment: list[float], status: Status) -> None:
    """One observation, no spread, no data, infinite input: each has a status, and no p-value is invented."""
    found = welch(control, treatment)
    assert status == found.status
    assert (status is Status.OK) == (found.p_value is not None)


def test_one_observation_is_not_significant() -> None:
    """Where scipy's Welch gives p = 0.027 for n = 1, there is no p-value."""
    found = welch_t(Moments(count=100, mean=0.0, m2=99.0), Moments(count=1, mean=0.225))
    assert (Status.INSUFFICIENT_DATA, None, 0.225) == (found.status, found.p_value, found.difference)


def test_what_overflows_has_a_name() -> None:
    """Numbers beyond the largest one lead to a status."""
    huge = Moments(count=2, mean=1.7e308, m2=1.0)
    assert Status.NOT_FINITE == welch_t(huge, Moments(count=2, mean=-1.7e308, m2=1.0)).status
    assert Status.NOT_FINITE == t_test(math.nan, 1.0, 5.0).status


def test_no_data_stays_no_data() -> None:
    """Absence on either side is absence of a result."""
    assert MeanTest(Status.NO_DATA) == welch_t(NoData(reason="none"), Moments(count=2, mean=1.0, m2=1.0))


def test_a_billion_observations() -> None:
    """A difference of 1e-4 standard deviations about a mean of 1e6 is measured with 1e9 observations an arm."""
    control = Moments(count=10**9, mean=1e6, m2=1e9)
    found = welch_t(control, Moments(count=10**9, mean=1e6 + 1e-4, m2=1e9))
    assert math.sqrt(5) == pytest.approx(found.t, rel=1e-5)
    assert 0.025347 == pytest.approx(found.p_value, rel=1e-4)


def test_extreme_imbalance() -> None:
    """A billion against two: the degrees of freedom are those of the two."""
    found = welch_t(Moments(count=10**9, mean=0.0, m2=1e9), Moments(count=2, mean=5.0, m2=1.0))
    assert 1.0 == pytest.approx(found.df, rel=1e-6)


@given(samples, samples)
def test_arms_are_symmetric(control: list[float], treatment: list[float]) -> None:
    """Exchanging the arms changes the sign and nothing else."""
    one, other = welch(control, treatment), welch(treatment, control)
    assert one.status == other.status
    if one.status is Status.OK:
        assert one.p_value == pytest.approx(other.p_value)
        assert one.low == pytest.approx(-(other.high or 0.0), rel=1e-9, abs=1e-9)


@given(samples, samples, st.integers(-100, 100), st.sampled_from([0.25, 0.5, 2.0, 8.0]))
def test_shift_and_scale_change_no_p_value(
    control: list[float], treatment: list[float], shift: int, scale: float
) -> None:
    """Another zero and another unit leave t, degrees of freedom and p as they were."""
    one = welch(control, treatment)
    assume(one.status is Status.OK and (one.high or 0) - (one.low or 0) > 1e-3)
    other = welch([scale * x + shift for x in control], [scale * x + shift for x in treatment])
    assert one.p_value == pytest.approx(other.p_value, rel=1e-6, abs=1e-12)
    assert one.df == pytest.approx(other.df, rel=1e-6)


@given(samples, samples, st.integers(2, 1000))
def test_more_of_the_same_evidence_is_never_less_certain(
    control: list[float], treatment: list[float], times: int
) -> None:
    """The same values many times over never raise p and never widen the interval."""
    old, new = from_values(control), from_values(treatment)
    assert isinstance(old, Moments)
    assert isinstance(new, Moments)
    one = welch_t(old, new)
    many = welch_t(
        Moments(count=old.count * times, mean=old.mean, m2=old.m2 * times),
        Moments(count=new.count * times, mean=new.mean, m2=new.m2 * times),
    )
    assume(one.status is Status.OK and many.status is Status.OK)
    assert (many.p_value or 0.0) <= (one.p_value or 0.0) * (1 + 1e-9)
    assert (many.high or 0) - (many.low or 0) <= ((one.high or 0) - (one.low or 0)) * (1 + 1e-9)


@given(samples, samples)
def test_p_and_interval_agree(control: list[float], treatment: list[float]) -> None:
    """The p-value is below alpha exactly when the interval leaves out 0."""
    found = welch(control, treatment, 0.05)
    assume(found.status is Status.OK and abs((found.p_value or 0) - 0.05) > 1e-9)
    assert found.low is not None
    assert found.high is not None
    assert (not found.low <= 0 <= found.high) == ((found.p_value or 0) < 0.05)
