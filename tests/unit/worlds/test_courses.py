"""What changes from second to second."""

import numpy as np
import pytest

from benchmarks.worlds.courses import SECONDS, bursts, diurnal, drifting, hiccups, spells, steady, swinging
from benchmarks.worlds.events import CANDIDATE, STABLE

RNG = np.random.default_rng


def test_a_steady_course_changes_nothing() -> None:
    """One rate, and every multiplier 1."""
    course = steady(3.0)(RNG(7))
    assert {3.0} == set(course.rate)
    assert (1.0, 1.0, 1.0) == (course.errors.mean(), course.slowness.mean(), course.easiness.mean())
    assert not course.lost.any()


def test_seconds_lie_in_spells_as_often_as_the_formula_says() -> None:
    """Outside with chance exp(-lasting / every); a spell lasts its time."""
    inside = np.concatenate([spells(RNG(seed), every=60, lasting=5) for seed in range(20)])
    assert pytest.approx(1 - np.exp(-5 / 60), rel=0.05) == inside.mean()
    lengths = np.diff(np.flatnonzero(np.diff(spells(RNG(7), every=2000, lasting=5).astype(int))))[::2]
    assert 5 == np.median(lengths)


def test_hiccups_are_each_model_s_own_and_add_up_to_its_usual_failures() -> None:
    """The multiplier has mean 1, and the models' spells have nothing to do with each other."""
    errors = np.concatenate([hiccups(20.0)(RNG(seed)).errors for seed in range(20)], axis=1)
    assert pytest.approx(np.ones(2), abs=0.06) == errors.mean(axis=1)
    assert abs(np.corrcoef(errors)[0, 1]) < 0.02


def test_a_day_swings_by_what_it_says() -> None:
    """Load goes from a fifth to nine fifths, and is the rate on the whole."""
    rate = diurnal(20.0)(RNG(7)).rate
    assert pytest.approx((4, 36), abs=0.01) == (rate.min(), rate.max())
    assert pytest.approx(20, abs=0.01) == rate.mean()


def test_load_drifts_like_a_random_walk() -> None:
    """After an hour its logarithm has moved by `per_hour`, as a standard deviation."""
    moved = [np.log(drifting(20.0)(RNG(seed)).rate[3600] / 20) for seed in range(60)]
    assert pytest.approx(0.5, abs=0.2) == np.std(moved)


def test_bursts_bring_load_and_trouble_to_both_models() -> None:
    """In a burst load, latency and failures rise together."""
    course = bursts(20.0)(RNG(7))
    busy = course.rate > 20
    assert pytest.approx(1 - np.exp(-10 / 120), rel=0.2) == busy.mean()
    assert {(160.0, 1.5, 5.0, 5.0)} == {
        *zip(course.rate[busy], course.slowness[busy], *course.errors[:, busy], strict=True)
    }


def test_hard_minutes_may_lose_the_stable_model_s_labels_alone() -> None:
    """The candidate's are never lost, the stable model's in hard minutes only."""
    course = swinging(20.0, losing=0.5)(RNG(7))
    assert not course.lost[CANDIDATE].any()
    assert {0.8} == set(course.easiness[course.lost[STABLE]])
    assert pytest.approx(0.25, abs=0.1) == course.lost[STABLE].mean()
    assert SECONDS == course.lost.shape[1]
