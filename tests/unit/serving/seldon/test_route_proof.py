"""Requests that tell one split from another: how often they are wrong, and how many they are."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstflight.domain.traffic import TrafficSplit
from firstflight.serving.seldon.route_proof import ERROR, MOST_REQUESTS, Shown, error_of_look, weigh

STABLE, CANDIDATE = "baseline-predictor-v1", "enhanced-predictor-v2"
HOME = TrafficSplit.all_to(STABLE)
BATCH = 8


def canary(percent: int) -> TrafficSplit:
    """Return a split of so many percent."""
    return TrafficSplit.canary(STABLE, CANDIDATE, percent)


def look(truth: int, wanted: TrafficSplit, before: TrafficSplit, chance: np.random.Generator) -> tuple[Shown, int]:
    """Return what one look shows where `truth` percent go to the candidate, and after how many requests."""
    seen: Counter[str | None] = Counter()
    shown = Shown.NOTHING
    while shown is Shown.NOTHING and seen.total() < MOST_REQUESTS:
        candidate = int(chance.binomial(BATCH, truth / 100))
        seen.update({CANDIDATE: candidate, STABLE: BATCH - candidate})
        shown = weigh(seen, wanted, [before], ERROR)
    return shown, seen.total()


@settings(max_examples=60, deadline=None)
@given(pair=st.lists(st.integers(0, 100), min_size=2, max_size=2, unique=True), seed=st.integers(0, 2**32))
def test_an_old_split_is_never_taken_for_the_wanted_one(pair: list[int], seed: int) -> None:
    """Of all pairs of splits: what a stream of the old one shows is not the new one, whoever they are."""
    old, new = pair
    shown, _ = look(old, canary(new), canary(old), np.random.default_rng(seed))
    assert Shown.WANTED is not shown


@settings(max_examples=60, deadline=None)
@given(
    pair=st.lists(st.sampled_from(range(0, 101, 5)), min_size=2, max_size=2, unique=True), seed=st.integers(0, 2**32)
)
def test_the_wanted_split_is_found_in_a_few_looks(pair: list[int], seed: int) -> None:
    """Of all pairs five percent apart or more; one look in a hundred gives up too early, and the next finds it."""
    old, new = pair
    chance = np.random.default_rng(seed)
    assert Shown.WANTED in [look(new, canary(new), canary(old), chance)[0] for _ in range(4)]


def boundary_error(old: int, new: int, requests: int) -> float:
    """Return the exact chance that a stream of the old split ever passes for the new one, looked at after each."""
    reached, wrong = np.ones(1), 0.0
    for n in range(1, requests + 1):
        reached = np.append(reached * (1 - old / 100), 0) + np.append(0, reached * (old / 100))
        for candidate in range(n + 1):
            counts = {CANDIDATE: candidate, STABLE: n - candidate}
            if reached[candidate] and weigh(counts, canary(new), [canary(old)], ERROR) is Shown.WANTED:
                wrong += reached[candidate]
                reached[candidate] = 0.0
    return float(wrong)


@pytest.mark.parametrize(("old", "new"), [(5, 10), (10, 25), (25, 50), (50, 75), (5, 0)])
def test_the_stated_error_holds_exactly(old: int, new: int) -> None:
    """Summed over every stream of so many requests, by dynamic programming."""
    assert boundary_error(old, new, 90) <= ERROR


def test_all_looks_together_spend_the_error_once() -> None:
    """However often one looks."""
    assert sum(error_of_look(number) for number in range(1, 10_000)) <= ERROR


def test_home_from_a_small_share_takes_many_requests() -> None:
    """Twenty requests that all go to stable are what one percent, or five, often looks like."""
    for old, fewest in ((5, 180), (1, 900)):
        assert Shown.NOTHING is weigh({STABLE: fewest - 10}, HOME, [canary(old)], ERROR)
        assert Shown.WANTED is weigh({STABLE: fewest + 30}, HOME, [canary(old)], ERROR)


@pytest.mark.parametrize(
    ("counts", "wanted", "before", "shown"),
    [
        ({STABLE: 20}, HOME, [], Shown.WANTED),
        ({STABLE: 19}, HOME, [], Shown.NOTHING),
        ({STABLE: 20, None: 1}, HOME, [], Shown.OTHER),
        ({CANDIDATE: 40}, canary(50), [HOME], Shown.OTHER),
        ({STABLE: 20}, HOME, [canary(0)], Shown.WANTED),
        ({STABLE: 20}, HOME, [TrafficSplit(stable=STABLE, weights={STABLE: 100}, shadow=CANDIDATE)], Shown.UNTOLD),
        ({CANDIDATE: 20}, TrafficSplit.all_to(CANDIDATE), [canary(100)], Shown.UNTOLD),
        ({CANDIDATE: 20, STABLE: 20}, canary(51), [canary(50)], Shown.UNTOLD),
        ({STABLE: 4000}, HOME, [canary(5), canary(50)], Shown.WANTED),
    ],
)
def test_what_requests_show(
    counts: dict[str | None, int], wanted: TrafficSplit, before: list[TrafficSplit], shown: Shown
) -> None:
    """No other split, another, one that clients cannot tell, and one that so few requests cannot tell."""
    assert shown is weigh(counts, wanted, before, ERROR)
