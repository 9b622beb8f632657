"""Exact bets on means of bounded values: worth no more than they claim, and worth something."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstflight.analysis.bounded_mean import (
    STAKE_WEIGHTS,
    STAKES,
    Bets,
    fits,
    mixed,
    of_differences,
    of_two_arms,
    of_values,
)
from firstflight.analysis.moments import from_values, pairs_from_values
from firstflight.domain.samples import Moments, PairedMoments


def moments(values: np.ndarray) -> Moments:
    """Return the moments of an array."""
    found = from_values(values.tolist())
    assert isinstance(found, Moments)
    return found


@pytest.mark.parametrize("mean", [0.001, 0.1, 0.5, 0.97])
@pytest.mark.parametrize("guess", [0.0, 0.3, 1.0])
def test_every_stake_is_worth_at_most_one(mean: float, guess: float) -> None:
    """The exact expectation over all outcomes of six values that are 0 or 1, for either bet."""
    above, below = np.zeros(len(STAKES)), np.zeros(len(STAKES))
    for values in itertools.product((0.0, 1.0), repeat=6):
        chance = math.prod(mean if value else 1 - mean for value in values)
        bets = of_values(moments(np.array(values)), guess)
        above += chance * np.exp(bets.above(mean))
        below += chance * np.exp(bets.below(mean))
    assert np.all(above <= 1 + 1e-12)
    assert np.all(below <= 1 + 1e-12)


@pytest.mark.parametrize("arms", [(1, 4), (3, 2), (2, 2)])
@pytest.mark.parametrize("mean", [0.05, 0.5, 0.9])
def test_two_arms_with_one_mean_are_worth_at_most_one(arms: tuple[int, int], mean: float) -> None:
    """The exact expectation for unequal arms, whatever mean they share."""
    worth = np.zeros(len(STAKES))
    for values in itertools.product((0.0, 1.0), repeat=sum(arms)):
        chance = math.prod(mean if value else 1 - mean for value in values)
        new, old = np.array(values[: arms[0]]), np.array(values[arms[0] :])
        worth += chance * np.exp(of_two_arms(moments(new), moments(old), 0.2).above(0.0))
    assert np.all(worth <= 1 + 1e-12)


def test_a_pair_is_worth_at_most_one_whatever_it_shares() -> None:
    """Differences of -1, 0 and 1 with mean zero, then with the mean of the tolerance."""
    for chances, mean in (((0.2, 0.6, 0.2), 0.0), ((0.1, 0.6, 0.3), 0.2)):
        worth = np.zeros(len(STAKES))
        for difference, chance in zip((-1.0, 0.0, 1.0), chances, strict=True):
            pair = pairs_from_values([max(-difference, 0.0)], [max(difference, 0.0)])
            assert isinstance(pair, PairedMoments)
            worth += chance * np.exp(of_differences(pair).above(mean))
        assert np.all(worth <= 1 + 1e-12)


def test_the_bets_are_the_papers() -> None:
    """Waudby-Smith and Ramdas' theorem 2, value by value, with one guess."""
    values, guess, mean = np.random.default_rng(1).beta(2, 5, 50), 0.3, 0.25
    found = of_values(moments(values), guess).above(mean)
    for stake, wealth in zip(STAKES, found, strict=True):
        psi = -np.log1p(-stake) - stake
        assert pytest.approx(np.sum(stake * (values - mean) - psi * (values - guess) ** 2)) == wealth


def test_looks_add_up() -> None:
    """Two looks together are worth the product of both; a dispersion takes the root."""
    rng = np.random.default_rng(2)
    first, second = (of_values(moments(rng.random(20)), 0.5) for _ in range(2))
    both = first.plus(second).above(0.4)
    assert pytest.approx([a + b for a, b in zip(first.above(0.4), second.above(0.4), strict=True)]) == both
    assert pytest.approx([each / 3 for each in first.above(0.4)]) == Bets().plus(first, 3.0).above(0.4)


def test_rare_large_values_are_waited_for() -> None:
    """A/A where 1 % of the requests earn all there is: of 400 streams of 50 looks at most 5 % ever reach 20 to 1."""
    rng, fired = np.random.default_rng(3), 0
    for _ in range(400):
        bets = Bets()
        for new, old in zip(rng.binomial(30, 0.01, 50), rng.binomial(570, 0.01, 50), strict=True):
            arms = [Moments(count=n, mean=k / n, m2=k * (1 - k / n)) for k, n in ((new, 30), (old, 570))]
            bets = bets.plus(of_two_arms(arms[0], arms[1], 0.01))
            if max(mixed(bets.above(0.0)), mixed(bets.below(0.0))) >= math.log(40):
                fired += 1
                break
    assert fired <= 20


def test_a_loss_is_found() -> None:
    """Half a standard deviation between arms of 30 and 570 a look, within twenty looks."""
    rng, bets = np.random.default_rng(4), Bets()
    for _ in range(20):
        new, old = rng.beta(2.8, 4.2, 30), rng.beta(2, 5, 570)
        bets = bets.plus(of_two_arms(moments(new), moments(old), 0.28))
    assert mixed(bets.above(0.0)) >= math.log(1000)
    low, high = bets.interval(0.05)
    assert low <= 0.4 - 2 / 7 <= high


def test_the_interval_is_where_no_stake_has_won() -> None:
    """At its ends the best stake has just earned what its share of alpha allows; inside, none has."""
    bets = of_values(moments(np.random.default_rng(5).beta(2, 5, 200)), 0.3)
    low, high = bets.interval(0.05)
    needed = [math.log(40 / weight) for weight in STAKE_WEIGHTS]
    assert pytest.approx(0.0, abs=1e-9) == max(w - n for w, n in zip(bets.above(low), needed, strict=True))
    assert pytest.approx(0.0, abs=1e-9) == max(w - n for w, n in zip(bets.below(high), needed, strict=True))
    assert (-math.inf, math.inf) == Bets().interval(0.05)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_values_within_their_bounds_fit(values: list[float]) -> None:
    """Whatever lies between the bounds is taken, however it is rounded."""
    assert fits(moments(np.array(values)), 0.0, 1.0)
    assert fits(moments(np.array(values) * 1e6 - 5e5), -5e5, 5e5)


@pytest.mark.parametrize("wrong", [Moments(count=5, mean=1.2, m2=0.0), Moments(count=5, mean=0.1, m2=0.6)])
def test_moments_that_no_such_values_have_do_not(wrong: Moments) -> None:
    """A mean beyond a bound, or a spread that only values beyond can have."""
    assert not fits(wrong, 0.0, 1.0)
