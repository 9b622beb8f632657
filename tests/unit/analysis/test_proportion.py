"""The confidence sequence of a proportion."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq

from firstflight.analysis.proportion import log_mixture, proportion_interval


@given(st.integers(0, 5000), st.integers(0, 5000), st.sampled_from([0.01, 0.05, 0.2]))
def test_its_ends_are_where_the_mixture_rejects(events: int, failures: int, alpha: float) -> None:
    """Each end is scipy's root of log M(p) = log(1/alpha), or the end of all proportions."""
    exposures = events + failures
    interval = proportion_interval(events, exposures, alpha)
    if exposures == 0:
        assert (0.0, 1.0) == interval
        return

    def gap(rate: float) -> float:
        return log_mixture(events, exposures, rate) + math.log(alpha)

    share = events / exposures
    if events:
        assert pytest.approx(brentq(gap, 1e-300, share, xtol=1e-14), abs=1e-9, rel=1e-6) == interval.low
    else:
        assert interval.low == 0.0
    if failures:
        assert pytest.approx(brentq(gap, share, 1 - 1e-16, xtol=1e-14), abs=1e-9, rel=1e-6) == interval.high
    else:
        assert interval.high == 1.0


@given(st.integers(0, 3000), st.integers(1, 3000))
def test_the_arms_are_symmetric(events: int, failures: int) -> None:
    """The interval of the successes mirrors that of the failures."""
    one = proportion_interval(events, events + failures)
    other = proportion_interval(failures, events + failures)
    assert pytest.approx(1 - one.low, abs=1e-8) == other.high
    assert pytest.approx(1 - one.high, abs=1e-8) == other.low


def test_it_covers_at_every_look_together() -> None:
    """Looked at 100 times in a row, the truth is ever left out by at most 5 % of 400 sequences."""
    rng = np.random.default_rng(1)
    left_out = 0
    for _ in range(400):
        events = np.cumsum(rng.binomial(30, 0.03, 100))
        left_out += any(log_mixture(int(x), 30 * (k + 1), 0.03) >= math.log(20) for k, x in enumerate(events))
    assert left_out <= 20 + 2 * math.sqrt(400 * 0.05 * 0.95)


def test_huge_counts_stay_sharp() -> None:
    """A million events in a billion requests: an interval of a few standard errors."""
    interval = proportion_interval(10**6, 10**9)
    assert 0.00099 < interval.low < 0.001 < interval.high < 0.00101


def test_the_ends_mirror_each_other_however_near_to_1() -> None:
    """Nine failures among a billion are bounded as well as nine events are."""
    few, many = proportion_interval(9, 10**9), proportion_interval(10**9 - 9, 10**9)
    assert pytest.approx((few.low, few.high), rel=1e-6) == (1 - many.high, 1 - many.low)
