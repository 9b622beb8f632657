"""Tests of improvement in percent: direction, edges, invariances."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from firstflight.analysis.lift import Lift, improvement, paired_improvement
from firstflight.analysis.moments import from_counts, from_values, pairs_from_values
from firstflight.analysis.status import Status
from firstflight.domain.samples import Counts, Moments, NoData, PairedMoments

BASE = Moments(count=100, mean=10.0, m2=99.0)
TENTH_MORE = Moments(count=100, mean=11.0, m2=99.0)
positive = st.lists(st.floats(1, 1000), min_size=2, max_size=20)


def test_positive_is_better_in_either_direction() -> None:
    """11 against 10 is 10 % better where higher is better, and 10 % worse where lower is."""
    higher, lower = improvement(BASE, TENTH_MORE), improvement(BASE, TENTH_MORE, direction="lower_is_better")
    assert 10.0 == pytest.approx(higher.percent)
    assert (-(higher.percent or 0), -(higher.high or 0), -(higher.low or 0)) == (lower.percent, lower.low, lower.high)


@pytest.mark.parametrize(
    ("control", "treatment", "status"),
    [
        (Moments(count=100, mean=0.0, m2=99.0), BASE, Status.NOT_APPLICABLE),
        (Moments(count=100, mean=-5.0, m2=99.0), BASE, Status.NOT_APPLICABLE),
        (Moments(count=100, mean=0.29, m2=99.0), BASE, Status.NOT_APPLICABLE),
        (Moments(count=100, mean=0.31, m2=99.0), BASE, Status.OK),
        (BASE, Moments(count=100, mean=-1.0, m2=99.0), Status.NOT_APPLICABLE),
        (Moments(count=1, mean=1.0), BASE, Status.INSUFFICIENT_DATA),
        (Moments(count=0), BASE, Status.NO_DATA),
        (BASE, NoData(reason="none"), Status.NO_DATA),
        (Moments(count=9, mean=1.0), Moments(count=9, mean=2.0), Status.ZERO_VARIANCE),
        (Moments(count=9, mean=5e-324, m2=0.0), Moments(count=9, mean=1e140, m2=1e307), Status.NOT_FINITE),
        (Moments(count=2, mean=1e-160, m2=0.0), Moments(count=2, mean=1e-160, m2=1.0), Status.NOT_FINITE),
    ],
)
def test_edges_of_improvement_have_names(control: Moments, treatment: Moments | NoData, status: Status) -> None:
    """A control at or near zero has no ratio; the difference is given instead, and never a NaN."""
    found = improvement(control, treatment)
    assert status == found.status
    assert (status is Status.OK) == (found.percent is not None)
    assert (status is not Status.NO_DATA) == (found.difference is not None)


def test_no_errors_at_all_have_no_ratio() -> None:
    """A control without errors cannot be halved."""
    found = improvement(from_counts(Counts(exposures=100, events=0)), from_counts(Counts(exposures=100, events=1)))
    assert Lift(Status.NOT_APPLICABLE, difference=0.01) == found


def test_never_more_than_everything_is_lost() -> None:
    """On the logarithmic scale the interval of a loss stops at -100 %."""
    found = improvement(BASE, Moments(count=3, mean=0.5, m2=2.0))
    assert found.low is not None
    assert -100.0 < found.low


@pytest.mark.parametrize(
    ("pairs", "status"),
    [
        (PairedMoments(count=0), Status.NO_DATA),
        (NoData(reason="none"), Status.NO_DATA),
        (PairedMoments(count=1, control_mean=1.0, treatment_mean=1.0), Status.INSUFFICIENT_DATA),
        (PairedMoments(count=9, control_mean=-1.0, treatment_mean=1.0, control_m2=1.0), Status.NOT_APPLICABLE),
        (pairs_from_values([1.0, 2.0, 9.0], [2.0, 4.0, 6.0]), Status.NOT_APPLICABLE),
        (pairs_from_values([9.0, 10.0, 11.0], [18.0, 20.0, 22.0]), Status.ZERO_VARIANCE),
        (pairs_from_values([9.0, 10.0, 11.0], [18.0, 20.0, 23.0]), Status.OK),
    ],
)
def test_edges_of_paired_improvement_have_names(pairs: PairedMoments | NoData, status: Status) -> None:
    """Few pairs, no ratio, and a ratio the same for every pair each have a name."""
    assert status == paired_improvement(pairs).status


def test_pairs_are_more_certain_than_separate_arms() -> None:
    """What both arms share cancels."""
    control = [10.0 + math.sin(i) for i in range(50)]
    treatment = [value + 0.5 + 0.1 * math.cos(7 * i) for i, value in enumerate(control)]
    apart = improvement(from_values(control), from_values(treatment))
    together = paired_improvement(pairs_from_values(control, treatment))
    assert apart.percent == pytest.approx(together.percent)
    assert (together.high or 0) - (together.low or 0) < 0.2 * ((apart.high or 0) - (apart.low or 0))


@given(positive, positive, st.sampled_from([0.25, 2.0, 1024.0]))
def test_the_unit_does_not_matter(control: list[float], treatment: list[float], scale: float) -> None:
    """Seconds or milliseconds: the improvement in percent is the same."""
    one = improvement(from_values(control), from_values(treatment))
    other = improvement(from_values([scale * x for x in control]), from_values([scale * x for x in treatment]))
    assert one.status == other.status
    assume(one.low is not None)
    assert one.low == pytest.approx(other.low, rel=1e-6, abs=1e-9)


@given(positive, positive)
def test_the_ratio_is_the_same_from_either_arm(control: list[float], treatment: list[float]) -> None:
    """The interval of control/treatment is the inverse of that of treatment/control."""
    one = improvement(from_values(control), from_values(treatment))
    other = improvement(from_values(treatment), from_values(control))
    assume(one.low is not None and one.high is not None and other.low is not None and other.high is not None)
    # of −100 % and a rest, percent keep no more than 16 digits of the whole
    assert 1 + (one.low or 0) / 100 == pytest.approx(1 / (1 + (other.high or 0) / 100), rel=1e-6, abs=1e-12)
