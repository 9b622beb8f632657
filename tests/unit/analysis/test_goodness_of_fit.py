"""Tests of the sample-ratio check at the end of a test."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstflight.analysis.goodness_of_fit import sample_ratio
from firstflight.analysis.status import Status


def brute_force(counts: tuple[int, ...], shares: tuple[float, ...]) -> float:
    """Add up the chance of every sequence of assignments that is no likelier than the one seen."""

    def chance(outcome: tuple[int, ...]) -> float:
        ways = math.factorial(sum(outcome)) / math.prod(math.factorial(n) for n in outcome)
        return ways * math.prod(p**n for p, n in zip(shares, outcome, strict=True))

    total = sum(counts)
    every = (each for each in itertools.product(range(total + 1), repeat=len(counts)) if sum(each) == total)
    return sum(found for each in every if (found := chance(each)) <= chance(counts) * (1 + 1e-7))


@pytest.mark.parametrize("counts", [(1, 2, 0), (3, 0, 0), (0, 0, 4), (5, 1, 1), (7, 3, 2), (0, 9, 0)])
@pytest.mark.parametrize("shares", [(0.5, 0.3, 0.2), (0.9, 0.05, 0.05), (1 / 3, 1 / 3, 1 / 3)])
def test_few_requests_are_judged_exactly(counts: tuple[int, ...], shares: tuple[float, ...]) -> None:
    """The multinomial test is the sum over all outcomes at most as likely."""
    names = ("a", "b", "c")
    found = sample_ratio(dict(zip(names, counts, strict=True)), dict(zip(names, shares, strict=True)))
    assert "multinomial" == found.method
    assert brute_force(counts, shares) == pytest.approx(found.p_value)


@pytest.mark.parametrize(
    ("counts", "shares", "status"),
    [
        ({}, {"a": 50, "b": 50}, Status.NO_DATA),
        ({"a": 10}, {"a": 100}, Status.NOT_APPLICABLE),
        ({"a": 10}, {"a": 100, "b": 0}, Status.NOT_APPLICABLE),
        ({"a": 10}, {}, Status.NOT_APPLICABLE),
        ({"a": 10}, {"a": 50, "b": 50}, Status.OK),
    ],
)
def test_edges_of_shares_have_names(counts: dict[str, int], shares: dict[str, float], status: Status) -> None:
    """No traffic and a single arm have names; scipy's chi-square of nothing is NaN."""
    found = sample_ratio(counts, shares)
    assert status == found.status
    assert (status is Status.OK) == (found.p_value is not None)


def test_too_many_outcomes_to_list() -> None:
    """With many arms and small shares the binomial tests stand in, and see a gross mismatch."""
    shares = {"a": 97, "b": 1, "c": 1, "d": 1}
    fair, foul = sample_ratio({"a": 388, "b": 4, "c": 4, "d": 4}, shares), sample_ratio({"a": 300, "b": 100}, shares)
    assert ("binomials", 1.0) == (fair.method, fair.p_value)
    assert (foul.p_value or 1) < 1e-50


def test_a_missing_arm_is_a_mismatch() -> None:
    """An arm that got nothing of its 20 % is noticed, among a billion at once."""
    assert (sample_ratio({"a": 500, "b": 300}, {"a": 50, "b": 30, "c": 20}).p_value or 0) < 1e-20
    assert 0.0 == sample_ratio({"a": 10**9, "b": 10**9 + 10**7}, {"a": 1, "b": 1}).p_value


@given(st.lists(st.integers(0, 400), min_size=2, max_size=4), st.sampled_from([0.1, 7.0, 100.0]))
def test_only_proportions_of_shares_matter(counts: list[int], unit: float) -> None:
    """Shares in percent or in parts give the same answer, and p is a probability."""
    seen = {str(place): count for place, count in enumerate(counts)}
    one = sample_ratio(seen, dict.fromkeys(seen, 1.0))
    other = sample_ratio(seen, dict.fromkeys(seen, unit))
    assert one.p_value == pytest.approx(other.p_value)
    assert one.p_value is None or 0 <= one.p_value <= 1


def test_perfect_shares_are_perfect() -> None:
    """Counts exactly as planned have p = 1."""
    assert 1.0 == pytest.approx(sample_ratio({"a": 500, "b": 300, "c": 200}, {"a": 50, "b": 30, "c": 20}).p_value)
