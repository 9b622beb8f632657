"""The parts follow each other in time, with an embargo before each boundary."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstflight.workloads.market.data.market import Market
from firstflight.workloads.market.data.splits import EMBARGO_DAYS, Days, proportional_splits, splits_at


def _days(count: int) -> Days:
    return np.busday_offset("2000-01-03", np.arange(count))


def test_packaged_data_are_cut_at_2016_and_2019(packaged: Market) -> None:
    """Boundaries are dates, and 21 trading days before each are left out."""
    splits = packaged.splits
    assert "2016-01-04…2018-11-28" == str(splits.validation)
    assert "2019-01-02…2022-12-28" == str(splits.test)
    days = packaged.series("SPX")[0]
    between = (days > splits.train.until) & (days < splits.validation.since)
    assert EMBARGO_DAYS == between.sum()


@given(st.integers(min_value=110, max_value=5000))
def test_proportional_parts_keep_their_order_and_embargo(count: int) -> None:
    """Whatever the length: parts in order, disjoint, exactly the embargo between, nothing lost at the ends."""
    days = _days(count)
    splits = proportional_splits(days)
    parts = (splits.train, splits.validation, splits.test)
    held = np.stack([part.holds(days) for part in parts])
    assert (held.sum(axis=0) <= 1).all()
    assert 2 * EMBARGO_DAYS == (held.sum(axis=0) == 0).sum()
    assert (days[0], days[-1]) == (splits.train.since, splits.test.until)
    assert splits.train.until < splits.validation.since <= splits.validation.until < splits.test.since


@pytest.mark.parametrize("count", [1, 3, 60, 104])
def test_too_few_days_are_refused(count: int) -> None:
    """Days that leave a part empty are refused."""
    with pytest.raises(ValueError, match="trading days"):
        proportional_splits(_days(count))


def test_a_cut_outside_the_days_is_refused() -> None:
    """A boundary before the first day would leave nothing to train on."""
    with pytest.raises(ValueError, match="more than the embargo of 21 are needed"):
        splits_at(_days(500), np.datetime64("1999-01-01"), np.datetime64("2001-01-01"))
