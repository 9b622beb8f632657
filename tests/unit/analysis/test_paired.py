"""Tests of paired comparisons: pairs cancel what they share, and blocks are the units of luck."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from firstflight.analysis.moments import pairs_from_values
from firstflight.analysis.paired import clustered_paired_t, paired_t
from firstflight.analysis.status import Status
from firstflight.domain.samples import NoData, PairedMoments

hundredths = st.integers(-10_000, 10_000).map(lambda number: number / 100)  # finer ones differ by rounding alone
units = st.lists(st.tuples(hundredths, hundredths), min_size=3, max_size=20)


@pytest.mark.parametrize(
    ("control", "treatment", "status"),
    [
        ([], [], Status.NO_DATA),
        ([1.0], [2.0], Status.INSUFFICIENT_DATA),
        ([1.0, 2.0], [2.0, 3.0], Status.ZERO_VARIANCE),
        ([1.0, float("nan")], [2.0, 3.0], Status.NO_DATA),
        ([1.0, 2.0], [2.0, 3.5], Status.OK),
    ],
)
def test_edges_of_pairs_have_names(control: list[float], treatment: list[float], status: Status) -> None:
    """No pair, one pair, and pairs that all differ alike have names."""
    assert status == paired_t(pairs_from_values(control, treatment)).status


def test_pairs_that_are_absent() -> None:
    """Absence stays absence."""
    assert Status.NO_DATA == paired_t(NoData(reason="none")).status


@given(units)
def test_units_that_are_blocks_of_their_own(values: list[tuple[float, float]]) -> None:
    """With one unit per block the clustered test is the plain one."""
    control, treatment = [c for c, _ in values], [t for _, t in values]
    plain = paired_t(pairs_from_values(control, treatment))
    clustered = clustered_paired_t(control, treatment, range(len(values)))
    assert plain.status == clustered.status
    assume(plain.t is not None and abs(plain.t) < 1e6)
    assert plain.p_value == pytest.approx(clustered.p_value, rel=1e-6, abs=1e-12)
    assert plain.low == pytest.approx(clustered.low, rel=1e-6, abs=1e-9)


@given(units)
def test_pairs_are_symmetric(values: list[tuple[float, float]]) -> None:
    """Exchanging the arms changes the sign alone."""
    pairs = pairs_from_values([c for c, _ in values], [t for _, t in values])
    turned = pairs_from_values([t for _, t in values], [c for c, _ in values])
    one, other = paired_t(pairs), paired_t(turned)
    assert one.p_value == pytest.approx(other.p_value)
    assert one.difference == pytest.approx(-(other.difference or 0.0))


def test_repeats_are_not_evidence() -> None:
    """Ten copies of every unit of a block leave the clustered test as it was; the plain one grows sure of itself."""
    random = np.random.default_rng(5)
    control, treatment = random.normal(0, 1, 40), random.normal(0.3, 1, 40)
    once = clustered_paired_t(list(control), list(treatment), list(range(40)))
    tenfold = clustered_paired_t(
        list(np.repeat(control, 10)), list(np.repeat(treatment, 10)), list(np.repeat(np.arange(40), 10))
    )
    naive = paired_t(pairs_from_values(list(np.repeat(control, 10)), list(np.repeat(treatment, 10))))
    assert once.p_value == pytest.approx(tenfold.p_value)
    assert (naive.p_value or 1) < (once.p_value or 0) / 10


def test_clustering_keeps_its_level_where_days_share_their_luck() -> None:
    """Equal arms, six units a day with common luck: the naive test errs far above 5 %, the clustered one about 5 %."""
    random = np.random.default_rng(9)
    days = list(np.repeat(np.arange(60), 6))
    naive = clustered = 0
    for _ in range(600):
        luck = np.repeat(random.normal(0, 1, 60), 6)
        control, treatment = list(random.normal(0, 0.5, 360)), list(luck + random.normal(0, 0.5, 360))
        naive += (paired_t(pairs_from_values(control, treatment)).p_value or 1) < 0.05
        clustered += (clustered_paired_t(control, treatment, days).p_value or 1) < 0.05
    assert naive > 150
    assert 12 <= clustered <= 50


@pytest.mark.parametrize(
    ("control", "treatment", "blocks", "status"),
    [
        ([], [], [], Status.NO_DATA),
        ([1.0, 2.0], [3.0, 5.0], ["a", "a"], Status.INSUFFICIENT_DATA),
        ([1.0, 2.0], [3.0, 4.0], ["a", "b"], Status.ZERO_VARIANCE),
        ([1.0, float("inf")], [3.0, 4.0], ["a", "b"], Status.NOT_FINITE),
    ],
)
def test_edges_of_blocks_have_names(
    control: list[float], treatment: list[float], blocks: list[str], status: Status
) -> None:
    """No unit, one block, and no spread have names."""
    assert status == clustered_paired_t(control, treatment, blocks).status


def test_every_value_needs_its_block() -> None:
    """A missing block is refused."""
    with pytest.raises(ValueError, match="1 blocks for 2 values"):
        clustered_paired_t([1.0, 2.0], [1.0, 2.0], ["a"])


def test_a_billion_pairs() -> None:
    """Sums of 1e9 pairs give a result."""
    pairs = PairedMoments(
        count=10**9, control_mean=1e6, treatment_mean=1e6 + 1e-4, control_m2=1e9, treatment_m2=1e9, cross=0.9e9
    )
    assert Status.OK == paired_t(pairs).status
