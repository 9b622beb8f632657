"""Shapes of latency. Every shape's 95th percentile is 1, so a model's p95 in milliseconds scales it."""

from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Protocol

import numpy as np

from benchmarks.worlds.events import Floats

NORMAL = NormalDist()


class Shape(Protocol):
    """How the latencies of one model lie to each other."""

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """Return `count` latencies in units of the 95th percentile."""


@dataclass(frozen=True)
class Lognormal:
    """`sigma` is the standard deviation of the logarithm."""

    sigma: float

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """Return `count` latencies in units of the 95th percentile."""
        return np.exp(self.sigma * (rng.standard_normal(count) - NORMAL.inv_cdf(0.95)))


@dataclass(frozen=True)
class Slowed:
    """Two modes: a lognormal one, and a share of requests that take `times` as long (a cold cache, a stall)."""

    sigma: float
    share: float
    times: float

    @cached_property
    def p95(self) -> float:
        """The 95th percentile, in units of the fast mode's median; found by halving."""
        low, high = 1e-6, 1e6
        while high / low > 1 + 1e-12:
            middle = (low * high) ** 0.5
            low, high = (middle, high) if self.above(middle) > 0.05 else (low, middle)
        return high

    def above(self, value: float) -> float:
        """Return the chance of more than `value`, in units of the fast mode's median."""
        slow, fast = (1 - NORMAL.cdf(float(np.log(value / mode)) / self.sigma) for mode in (self.times, 1.0))
        return self.share * slow + (1 - self.share) * fast

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """Return `count` latencies in units of the 95th percentile."""
        fast = np.exp(self.sigma * rng.standard_normal(count))
        return np.where(rng.random(count) < self.share, self.times, 1.0) * fast / self.p95
