"""What the world is like from second to second: load, trouble and difficulty, the same for both models or of each.

A course is drawn once per rollout. Every function here takes the mean rate (requests/s) and returns how to draw one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.worlds.events import ARMS, Bools, Floats

HOURS = 14
SECONDS = HOURS * 3600
"""No rollout lasts longer."""


@dataclass(frozen=True, slots=True)
class Course:
    """One value per second, in arrays of `SECONDS`; those with two rows hold one for each model.

    `rate` is the expected number of requests. `errors`, `slowness` and `easiness` multiply a model's chance of
    failing, its latency and its chance of being right (at most 1). `lost` says that no label arrives of what is
    asked then.
    """

    rate: Floats
    errors: Floats
    slowness: Floats
    easiness: Floats
    lost: Bools

    @classmethod
    def even(cls, rate: float) -> "Course":
        """Return the course on which nothing changes."""
        one = np.ones(SECONDS)
        return cls(one * rate, np.ones((2, SECONDS)), one, one, np.zeros((2, SECONDS), dtype=bool))


Draw = Callable[[np.random.Generator], Course]


def steady(rate: float) -> Draw:
    """Nothing changes."""
    return lambda _rng: Course.even(rate)


def diurnal(rate: float, *, swing: float = 0.8, hours: float = 1.0) -> Draw:
    """Load rises and falls like a sine, with a day of `hours`; busy hours are slower and fail more, in both models."""

    def draw(rng: np.random.Generator) -> Course:
        day = np.sin(2 * np.pi * (np.arange(SECONDS) / (hours * 3600) + rng.random()))
        even = Course.even(rate)
        return Course(
            even.rate * (1 + swing * day), even.errors * (1 + 0.5 * day), 1 + 0.3 * day, even.easiness, even.lost
        )

    return draw


def drifting(rate: float, *, per_hour: float = 0.5) -> Draw:
    """Load, failures, latency and difficulty of both models wander, each by itself.

    Logarithms of load and failures walk by `per_hour` (standard deviation after an hour); latency by a fifth of that;
    difficulty between none and 10 % fewer right answers.
    """

    def draw(rng: np.random.Generator) -> Course:
        walk = np.cumsum(rng.standard_normal((4, SECONDS)), axis=1) * per_hour / 60
        even = Course.even(rate)
        hard = 0.05 * (1 - np.cos(3 * walk[3]))
        return Course(
            even.rate * np.exp(walk[0]), even.errors * np.exp(walk[1]), np.exp(walk[2] / 5), 1 - hard, even.lost
        )

    return draw


def bursts(rate: float, *, times: float = 8.0, every: float = 120.0, lasting: int = 10) -> Draw:
    """Now and then `times` the load for some seconds, in which both models are slower and fail five times as often."""

    def draw(rng: np.random.Generator) -> Course:
        bursting = spells(rng, every=every, lasting=lasting)
        even = Course.even(rate)
        return Course(
            np.where(bursting, rate * times, rate),
            even.errors * np.where(bursting, 5.0, 1.0),
            np.where(bursting, 1.5, 1.0),
            even.easiness,
            even.lost,
        )

    return draw


def hiccups(rate: float, *, times: float = 50.0, every: float = 300.0, lasting: int = 5) -> Draw:
    """Failures come in spells, of each model alone: `times` the usual chance in them, less outside, 1 on the whole."""
    inside = 1 - np.exp(-lasting / every)
    outside = (1 - inside * times) / (1 - inside)

    def draw(rng: np.random.Generator) -> Course:
        even = Course.even(rate)
        ill = np.stack([spells(rng, every=every, lasting=lasting) for _ in ARMS])
        return Course(even.rate, np.where(ill, times, outside), even.slowness, even.easiness, even.lost)

    return draw


def swinging(rate: float, *, hard: float = 0.8, lasting: int = 60, losing: float = 0.0) -> Draw:
    """Questions are easy or hard (`hard` times as many right answers) for both models alike, minute by minute.

    In hard minutes the stable model's labels are lost with chance `losing`.
    """

    def draw(rng: np.random.Generator) -> Course:
        even = Course.even(rate)
        minutes = -(-SECONDS // lasting)
        difficult = rng.random(minutes) < 0.5
        gone = difficult & (rng.random(minutes) < losing)
        lost = np.stack([np.repeat(gone, lasting)[:SECONDS], even.lost[1]])
        easiness = np.repeat(np.where(difficult, hard, 1.0), lasting)[:SECONDS]
        return Course(even.rate, even.errors, even.slowness, easiness, lost)

    return draw


def spells(rng: np.random.Generator, *, every: float, lasting: int) -> Bools:
    """Return which seconds lie in a spell: they begin at random, one in `every` seconds, and may overlap.

    A second lies in none with chance exp(-lasting / every).
    """
    begins = rng.poisson(1 / every, SECONDS + lasting) > 0
    running = np.cumsum(begins)
    return np.asarray(running[lasting:] > running[:-lasting])
