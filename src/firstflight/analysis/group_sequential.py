"""Tests looked at a few times, at moments fixed beforehand: what each look may reject at, and how often it will.

For a test that *is* looked at only so often, these bounds find more than always-valid ones; one look more than planned,
and they promise nothing. The statistic of look k at information t_k (the share of all observations) is
Z_k = B(t_k)/√t_k with B a Brownian motion of some drift, the mean of Z at the end. Chances are integrated from look to
look (Armitage, McPherson and Rowe, "Repeated significance tests on accumulating data", JRSS A 132, 1969; Jennison and
Turnbull, "Group sequential methods", 2000, chapter 19). Two-sided bounds are symmetric: reject where |Z_k| is beyond.
"""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Shape = Literal["obrien_fleming", "pocock"]
Sides = Literal[1, 2]

_FARTHEST = 9.0
"""Standard deviations beyond which a normal variable is never found."""
_STEPS = 45
_FINE = 5
"""Points per standard deviation of what a look adds: so chances are exact to some 1e-9."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)
_CLOSEST, _ROUNDING = 1e-3, 1e-9


def spent(information: float, alpha: float = 0.05, *, shape: Shape = "obrien_fleming", sides: Sides = 2) -> float:
    """Return how much of `alpha` may be spent up to a share `information` of all observations, both sides together.

    O'Brien and Fleming: 2 - 2·Φ(z/√t) per side, with z its level's two-sided quantile; Pocock: level·log(1 + (e - 1)·t)
    (Lan and DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70, 1983).
    """
    time = min(information, 1.0)
    if time <= 0:
        return 0.0
    level = alpha / sides
    if shape == "pocock":
        return sides * level * math.log1p((math.e - 1) * time)
    return sides * 2 * float(ndtr(ndtri(level / 2) / math.sqrt(time)))


def spending_bounds(
    information: Sequence[float], alpha: float = 0.05, *, shape: Shape = "obrien_fleming", sides: Sides = 2
) -> tuple[float, ...]:
    """Return the bound of each look, where looks come at these shares of all observations.

    What a look may spend depends on its own share alone, so later looks may be moved as long as results do not tell
    when. A test that ends early, at a share below 1, has spent less than `alpha`. A bound of 9 rejects nothing.

    Raises:
        ValueError: The shares do not ascend from above 0 to at most 1, or `alpha` is not between 0 and 1.
    """
    walk = _Walk(_times(information), sides)
    _level(alpha)
    before, found = 0.0, []
    for time in walk.times:
        now = spent(time, alpha, shape=shape, sides=sides)
        found.append(walk.bound_for((now - before) / sides))
        walk.go_on(found[-1])
        before = now
    return tuple(found)


def classic_bounds(
    looks: int, alpha: float = 0.05, *, shape: Shape = "obrien_fleming", sides: Sides = 2
) -> tuple[float, ...]:
    """Return the bounds of evenly spaced looks as first published: one constant (Pocock), or it times √(looks/k).

    Pocock, "Group sequential methods in the design and analysis of clinical trials", Biometrika 64, 1977; O'Brien and
    Fleming, "A multiple testing procedure for clinical trials", Biometrics 35, 1979.

    Raises:
        ValueError: There is no look, or `alpha` is not between 0 and 1.
    """
    _level(alpha)
    times = _times([(k + 1) / looks for k in range(looks)])
    shapes = [1.0 if shape == "pocock" else 1 / math.sqrt(time) for time in times]

    def rejects(constant: float) -> float:
        return sum(crossing_chances([constant * each for each in shapes], times, sides=sides))

    constant = _bisect(lambda value: rejects(value) <= alpha, 0.0, _FARTHEST)
    return tuple(constant * each for each in shapes)


def crossing_chances(
    bounds: Sequence[float], information: Sequence[float], drift: float = 0.0, *, sides: Sides = 2
) -> tuple[float, ...]:
    """Return the chance that each look is the first to reject; their sum is the level without drift, else the power.

    `drift` is the mean of Z at the end: the difference divided by the standard error that all observations give it.

    Raises:
        ValueError: The shares do not ascend from above 0 to at most 1, or there is not one bound for each.
    """
    walk = _Walk(_times(information), sides, drift)
    if len(bounds) != len(walk.times):
        raise ValueError(f"{len(bounds)} bounds for {len(walk.times)} looks, must be as many")
    found = []
    for bound in bounds:
        found.append(walk.chance_beyond(bound))
        walk.go_on(bound)
    return tuple(found)


def size_factor(
    bounds: Sequence[float],
    information: Sequence[float],
    *,
    alpha: float = 0.05,
    power: float = 0.8,
    sides: Sides = 2,
) -> float:
    """Return how many times the size of a test with one look a test with these looks needs for the same power.

    Multiply what `power.size_of_means` or `power.size_of_proportions` says by it.

    Raises:
        ValueError: As `crossing_chances`; or `alpha`, or `power`, is not between 0 and 1.
    """
    _level(alpha)
    _level(power)
    crossing_chances(bounds, information, sides=sides)
    once = float(ndtri(1 - alpha / sides) + ndtri(power))
    drift = _bisect(
        lambda value: sum(crossing_chances(bounds, information, value, sides=sides)) >= power, 0.0, _FARTHEST + once
    )
    return (drift / once) ** 2


class _Density(NamedTuple):
    """How likely the walk is at each point, its chances by the points' weights, where it has not crossed yet."""

    points: NDArray[np.float64]
    chances: NDArray[np.float64]


class _Walk:
    """The walk B(t) up to one of `times`, where no bound has been crossed before."""

    def __init__(self, times: Sequence[float], sides: Sides, drift: float = 0.0) -> None:
        self.times = times
        self._sides, self._drift = sides, drift
        self._look = 0
        self._known = _Density(np.zeros(1), np.ones(1))

    def chance_beyond(self, bound: float) -> float:
        """Return the chance that the next look is the first to find Z beyond `bound`."""
        centres, deviation = self._next()
        edge = bound * math.sqrt(self.times[self._look])
        beyond = ndtr((centres - edge) / deviation)
        if self._sides == 2:  # noqa: PLR2004 - both of them
            beyond = beyond + ndtr((-edge - centres) / deviation)
        return float(self._known.chances @ beyond)

    def bound_for(self, chance: float) -> float:
        """Return the bound that the next look crosses on one side with this chance, where there is no drift."""
        return _bisect(lambda bound: self.chance_beyond(bound) <= chance * self._sides, -_FARTHEST, _FARTHEST)

    def go_on(self, bound: float) -> None:
        """Take the next look: what lies beyond `bound` has crossed."""
        centres, deviation = self._next()
        time = self.times[self._look]
        self._look += 1
        if self._look == len(self.times):
            return
        root = math.sqrt(time)
        middle = self._drift * time
        high = min(bound * root, middle + _FARTHEST * root)
        low = -bound * root if self._sides == 2 else -math.inf  # noqa: PLR2004 - both of them
        low = max(low, middle - _FARTHEST * root)
        if low >= high:
            self._known = _Density(np.zeros(1), np.zeros(1))
            return
        narrowest = min(deviation, math.sqrt(self.times[self._look] - time))
        panels = max(math.ceil(_FINE * (high - low) / narrowest / len(_NODES)), 2)
        half = (high - low) / panels / 2
        points = (low + half * (2 * np.arange(panels)[:, None] + 1 + _NODES[None, :])).ravel()
        distances = (points[:, None] - centres[None, :]) / deviation
        heights = np.exp(-(distances**2) / 2) @ self._known.chances / (deviation * math.sqrt(2 * math.pi))
        self._known = _Density(points, heights * np.tile(_WEIGHTS, panels) * half)

    def _next(self) -> tuple[NDArray[np.float64], float]:
        """Return where the walk is expected at the next look, from each point, and by what deviation."""
        time = self.times[self._look] - (self.times[self._look - 1] if self._look else 0.0)
        return self._known.points + self._drift * time, math.sqrt(time)


def _times(information: Sequence[float]) -> tuple[float, ...]:
    times = tuple(float(time) for time in information)
    if not times or times[-1] > 1 + _ROUNDING or min(b - a for a, b in pairwise((0.0, *times))) < _CLOSEST - _ROUNDING:
        raise ValueError(f"information {times} must ascend from above 0 to at most 1, in steps of {_CLOSEST:g} or more")
    return times


def _level(chance: float) -> None:
    if not 0 < chance < 1:
        raise ValueError(f"a chance of {chance:g} must lie between 0 and 1")


def _bisect(reached: Callable[[float], bool], low: float, high: float) -> float:
    """Return where `reached` begins to hold between both."""
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return high
