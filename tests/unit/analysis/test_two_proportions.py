"""Tests of two proportions: few events, all events, none, and a billion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstflight.analysis.status import Status
from firstflight.analysis.two_proportions import Bounds, exact_bounds, two_proportions, wilson_bounds
from firstflight.domain.samples import Counts, NoData

counts = st.integers(1, 500).flatmap(lambda n: st.integers(0, n).map(lambda events: Counts(exposures=n, events=events)))
NOTHING = Counts(exposures=0, events=0)


def of(events: int, exposures: int) -> Counts:
    """So many events of so many exposures."""
    return Counts(exposures=exposures, events=events)


def test_an_empty_arm_has_no_result() -> None:
    """Without exposures there is nothing to test, and the interval is open."""
    assert Status.NO_DATA == two_proportions(NOTHING, of(1, 2)).status
    assert Status.NO_DATA == two_proportions(of(1, 2), NoData(reason="none")).status
    assert (Bounds(0.0, 1.0), Bounds(0.0, 1.0)) == (wilson_bounds(NOTHING), exact_bounds(NOTHING))


@pytest.mark.parametrize("events", [0, 1])
def test_equal_arms_without_spread(events: int) -> None:
    """No event at all, or nothing but events: no difference, p is 1, and the interval still has width."""
    found = two_proportions(of(100 * events, 100), of(50 * events, 50))
    assert (Status.OK, 0.0, 1.0) == (found.status, found.difference, found.p_value)
    assert (found.low or 0) < 0 < (found.high or 0)


def test_one_failed_request_proves_little() -> None:
    """1 of 1 against 11 of 11,400: the pooled z-test says p = 2e-208, the exact one about one in a thousand."""
    found = two_proportions(of(11, 11_400), of(1, 1))
    assert "exact" == found.method
    assert 12 / 11_401 == pytest.approx(found.p_value)


def test_a_billion_requests() -> None:
    """Rare and common events among 1e9 requests are judged at once."""
    assert 0.625 == pytest.approx(two_proportions(of(3, 10**9), of(1, 10**9)).p_value, rel=1e-6)
    assert 0.0 == pytest.approx(two_proportions(of(10**6, 10**9), of(2 * 10**6, 10**9)).p_value)
    assert 1.0 > exact_bounds(of(10**9 - 1, 10**9)).low > 0.99999999


@given(counts, counts)
def test_proportions_are_symmetric(control: Counts, treatment: Counts) -> None:
    """Exchanging the arms, or events with non-events, changes signs alone."""
    one, other = two_proportions(control, treatment), two_proportions(treatment, control)
    mirrored = two_proportions(*(of(each.exposures - each.events, each.exposures) for each in (control, treatment)))
    assert one.p_value == pytest.approx(other.p_value)
    assert one.p_value == pytest.approx(mirrored.p_value)
    assert one.low == pytest.approx(-(other.high or 0.0), abs=1e-12)
    assert one.low == pytest.approx(-(mirrored.high or 0.0), abs=1e-12)


@given(counts, counts)
def test_intervals_hold_the_estimate_and_stay_in_range(control: Counts, treatment: Counts) -> None:
    """The difference lies in its interval, the interval between -1 and 1, p between 0 and 1."""
    found = two_proportions(control, treatment)
    assert -1 <= (found.low or 0) <= (found.difference or 0) + 1e-12
    assert (found.difference or 0) - 1e-12 <= (found.high or 0) <= 1
    assert 0 <= (found.p_value or 0) <= 1


@given(counts, counts, st.integers(2, 50))
def test_more_requests_never_widen_the_interval(control: Counts, treatment: Counts, times: int) -> None:
    """The same rates in more requests are better known."""
    one = two_proportions(control, treatment)
    many = two_proportions(*(of(each.events * times, each.exposures * times) for each in (control, treatment)))
    assert (many.high or 0) - (many.low or 0) <= (one.high or 0) - (one.low or 0)


@given(counts)
def test_exact_bounds_are_the_wider(arm: Counts) -> None:
    """The exact interval contains the rate and is never shorter than 90 % of Wilson's."""
    exact, wilson = exact_bounds(arm), wilson_bounds(arm)
    assert exact.low <= arm.events / arm.exposures <= exact.high
    assert exact.high - exact.low >= 0.9 * (wilson.high - wilson.low)
