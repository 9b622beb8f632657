"""Means of values that have bounds, looked at as often as one likes: exact for any number of values.

For a value u of [0, 1] with mean m, a guess c of [0, 1] made before it and a stake b of [0, 1),

    exp(b·(u - m) - ψ(b)·(u - c)²),   ψ(b) = -log(1 - b) - b,

has a mean of at most 1 (Fan, Grama and Liu, "Exponential inequalities for martingales with applications",
Electronic Journal of Probability 20, 2015, lemma 4.1; the empirical-Bernstein process of Howard et al., Ann. Stat. 49,
2021, theorem 4, and of Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B 86,
2024, theorem 2). Nothing is asymptotic: before a rare large value has been seen, the bounds say that it may come. A
product over values needs their sum and their squared distance from the guess alone, so sufficient statistics do.
Values count in the direction in which more is worse.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from firstflight.analysis.log_space import NEVER, log_sum
from firstflight.domain.samples import Moments, PairedMoments

STAKES = (0.01, 0.03, 0.08, 0.16, 0.3, 0.45, 0.65, 0.85)
"""What is bet at once; the best is near the distance to be found divided by the variance."""
STAKE_WEIGHTS = (0.1, 0.1, 0.15, 0.15, 0.15, 0.15, 0.1, 0.1)
"""Shares of the wealth on each of `STAKES`."""

_LOG_WEIGHTS = tuple(math.log(weight) for weight in STAKE_WEIGHTS)
_ROUNDING = 1e-9


def cost(stake: float) -> float:
    """Return ψ(stake), what a squared distance costs."""
    return -math.log1p(-stake) - stake


_COSTS = tuple(cost(stake) for stake in STAKES)


class Bets(NamedTuple):
    """What values have shown so far: the log wealth of stake b against "the mean is m" is b·(total - size·m) - cost.

    With the signs of `total`, `size` and m changed it is the wealth of the opposite bet, "the mean is less".
    """

    total: float = 0.0
    size: float = 0.0
    costs: tuple[float, ...] = (0.0,) * len(STAKES)

    def plus(self, other: "Bets", dispersion: float = 1.0) -> "Bets":
        """Return both together; every factor of `other` is raised to 1/`dispersion`."""
        return Bets(
            self.total + other.total / dispersion,
            self.size + other.size / dispersion,
            tuple([mine + theirs / dispersion for mine, theirs in zip(self.costs, other.costs, strict=True)]),
        )

    def above(self, mean: float) -> tuple[float, ...]:
        """Return the log wealth of each stake on "more than `mean`", e-processes where it is no more."""
        gain = self.total - self.size * mean
        return tuple([stake * gain - spent for stake, spent in zip(STAKES, self.costs, strict=True)])

    def below(self, mean: float) -> tuple[float, ...]:
        """Return the log wealth of each stake on "less than `mean`", e-processes where it is no less."""
        gain = self.size * mean - self.total
        return tuple([stake * gain - spent for stake, spent in zip(STAKES, self.costs, strict=True)])

    def log_e_below(self, mean: float) -> float:
        """Return log e against "the mean is at least `mean`"."""
        return mixed(self.below(mean))

    def interval(self, alpha: float) -> tuple[float, float]:
        """Return the means that no stake rejects at its share of `alpha`, half of it for either side."""
        if self.size <= 0:
            return -math.inf, math.inf
        middle = self.total / self.size
        radius = min(
            [
                (spent + math.log(2 / (alpha * weight))) / (stake * self.size)
                for stake, spent, weight in zip(STAKES, self.costs, STAKE_WEIGHTS, strict=True)
            ]
        )
        return middle - radius, middle + radius


def mixed(log_wealth: Sequence[float]) -> float:
    """Return the log of the mean wealth over stakes; never less than `NEVER`."""
    return max(log_sum([weight + wealth for weight, wealth in zip(_LOG_WEIGHTS, log_wealth, strict=True)]), NEVER)


def of_values(values: Moments, guess: float) -> Bets:
    """Return the bets on the mean of `values`, all of [0, 1]; `guess` was made before any of them was seen."""
    squares = _squares(values, guess)
    return Bets(values.count * values.mean, float(values.count), tuple([spent * squares for spent in _COSTS]))


def of_differences(pairs: PairedMoments) -> Bets:
    """Return the bets on treatment - control over units (or blocks) that both were measured on, both of [0, 1].

    The guess is that they do not differ.
    """
    difference = pairs.treatment_mean - pairs.control_mean
    squares = max(pairs.treatment_m2 + pairs.control_m2 - 2 * pairs.cross, 0.0) + pairs.count * difference**2
    return Bets(pairs.count * difference, float(pairs.count), tuple([spent * squares for spent in _COSTS]))


def of_two_arms(treatment: Moments, control: Moments, control_guess: float) -> Bets:
    """Return the bets on treatment - control for independent arms of the same look, both with values of [0, 1].

    `control_guess` was made before the look; the control's mean then guesses the treatment's. The larger arm is staked
    less, so that what the look does to both of them cancels: only the difference of the two means counts.
    """
    if treatment.count == 0 or control.count == 0:
        return Bets()
    fewer = min(treatment.count, control.count)
    own, other = fewer / treatment.count, fewer / control.count
    own_squares, other_squares = _squares(treatment, control.mean), _squares(control, control_guess)
    costs = [
        (_COSTS[n] if own == 1 else cost(stake * own)) * own_squares
        + (_COSTS[n] if other == 1 else cost(stake * other)) * other_squares
        for n, stake in enumerate(STAKES)
    ]
    return Bets(fewer * (treatment.mean - control.mean), float(fewer), tuple(costs))


def fits(values: Moments, low: float, high: float) -> bool:
    """Return whether all values behind the moments can lie between `low` and `high`."""
    if values.count == 0:
        return True
    slack = _ROUNDING * (abs(low) + abs(high) + abs(values.mean))
    widest = values.count * (high - values.mean) * (values.mean - low)
    return low - slack <= values.mean <= high + slack and values.m2 <= max(widest, 0.0) * (1 + _ROUNDING) + slack


def _squares(values: Moments, guess: float) -> float:
    return values.m2 + values.count * (values.mean - guess) ** 2
