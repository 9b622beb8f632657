"""Arrivals do not wait for anybody."""

import itertools

import pytest

from firstflight.replay.arrivals import arrivals


def test_a_seed_gives_the_same_arrivals() -> None:
    """Equal seeds agree, others differ."""
    first, again, other = (list(itertools.islice(arrivals(50.0, seed), 100)) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_arrivals_are_a_poisson_process() -> None:
    """Gaps have the mean 1/rate, and a spread as large as their mean; times ascend."""
    times = list(itertools.islice(arrivals(20.0, 3), 20_000))
    gaps = [b - a for a, b in itertools.pairwise([0.0, *times])]
    mean = sum(gaps) / len(gaps)
    spread = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert 0.05 == pytest.approx(mean, rel=0.03)
    assert 0.05 == pytest.approx(spread, rel=0.05)
    assert min(gaps) >= 0
