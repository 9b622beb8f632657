"""Forecasts of sequential tests, against simulation and against what they forecast."""

import math

import numpy as np
import pytest

from firstflight.analysis.absolute_limit import within_limit_log_e
from firstflight.analysis.bounded_mean import STAKES, Bets, cost
from firstflight.analysis.sequential_plan import (
    NEVER_DECIDES,
    bounded_mean_decides,
    first_passage,
    harm_over_control,
    harm_over_limit,
    proof_against_control,
    proof_within_limit,
)


def test_first_passage_is_that_of_a_random_walk() -> None:
    """Median and 95 % quantile of 4,000 simulated walks, within 10 %."""
    rng = np.random.default_rng(7)
    walks = rng.normal(0.05, 0.3, (4000, 2000)).cumsum(axis=1)
    times = np.where((walks >= 8).any(axis=1), (walks >= 8).argmax(axis=1) + 1, 2000)
    found = first_passage(8.0, 0.05, 0.09)
    assert pytest.approx(float(np.median(times)), rel=0.1) == found.median
    assert pytest.approx(float(np.quantile(times, 0.95)), rel=0.1) == found.p95


def test_what_has_no_drift_never_decides() -> None:
    """A candidate that is not worse is never certain to be, nor one beyond the limit certain to be within."""
    assert NEVER_DECIDES == harm_over_control(0.001, 0.001, 0.05, 0.01)
    assert NEVER_DECIDES == harm_over_limit(0.01, 0.01, 0.01)
    assert NEVER_DECIDES == proof_within_limit(0.01, 0.01, 0.05)
    assert NEVER_DECIDES == proof_against_control(0.97, 0.05, 0.05, 0.05)


def test_proof_takes_as_many_requests_as_the_proof_says() -> None:
    """Without events, the forecast is the first count at which the mixture reaches 1/alpha."""
    found = proof_within_limit(1e-9, 0.01, 0.05)
    assert within_limit_log_e(0, math.ceil(found.median), 0.01) >= math.log(20)
    assert within_limit_log_e(0, int(0.98 * found.median), 0.01) < math.log(20)


def test_greater_harm_is_seen_sooner() -> None:
    """The forecast falls with the size of the fault and with the budget."""
    medians = [harm_over_control(rate, 0.001, 0.05, 0.01).median for rate in (0.005, 0.02, 0.05, 0.3)]
    assert sorted(medians, reverse=True) == medians
    assert harm_over_control(0.02, 0.001, 0.05, 0.05).median < medians[1]


@pytest.mark.parametrize(("accuracy", "distance"), [(0.9, 0.2), (0.7, 0.3)])
def test_bets_take_as_many_values_as_the_bets_say(accuracy: float, distance: float) -> None:
    """Of pairs of equal models, until they are not worse: all stakes together are up to a third sooner than the one."""
    rng = np.random.default_rng(9)
    taken = []
    for _ in range(200):
        pairs = (rng.random((2, 3000)) < accuracy).astype(float)
        gaps = (pairs[0] - pairs[1]).tolist()
        bets, size = Bets(), 0
        while bets.log_e_below(distance) < math.log(20):
            gap = gaps[size]
            bets = bets.plus(Bets(gap, 1.0, tuple(cost(stake) * gap**2 for stake in STAKES)))
            size += 1
        taken.append(size)
    planned = bounded_mean_decides(distance, 2 * accuracy * (1 - accuracy), 0.05)
    assert 0.67 * planned.median < float(np.median(taken)) < planned.median
