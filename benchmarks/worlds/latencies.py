"""Shapes of latency. Every shape's 95th percentile is 1, so a model's p95 in milliseconds scales it."""

from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Protocol

import numpy as np
from scipy.special import ndtr

from benchmarks.worlds.events import Floats

NORMAL = NormalDist()


class Shape(Protocol):
    """How the latencies of one model lie to each other."""

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """Return `count` latencies in units of the 95th percentile."""

    def above(self, values: Floats) -> Floats:
        """Return the chance of a latency above each value, in the same units."""


@dataclass(frozen=True)
class Lognormal:
    """`sigma` is the standard deviation of the logarithm."""

    sigma: float

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """Return `count` latencies in units of the 95th percentile."""
        return np.exp(self.sigma * (rng.standard_normal(count) - NORMAL.inv_cdf(0.95)))

    def above(self, values: Floats) -> Floats:
        """Return the chance of a latency above each value, in the same units."""
        return np.asarray(ndtr(-np.log(values) / self.sigma - NORMAL.inv_cdf(0.95)))


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
            low, high = (middle, high) if self._above(np.float64(middle)) > 0.05 else (low, middle)
        return high

    def above(self, values: Floats) -> Floats:
        """Return the chance of a latency above each value, in units of the 95th percentile."""
        return self._above(values * self.p95)

    def _above(self, values: Floats) -> Floats:
        slow, fast = (ndtr(-np.log(values / mode) / self.sigma) for mode in (self.times, 1.0))
        return np.asarray(self.share * slow + (1 - self.share) * fast)

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """Return `count` latencies in units of the 95th percentile."""
        fast = np.exp(self.sigma * rng.standard_normal(count))
        return np.where(rng.random(count) < self.share, self.times, 1.0) * fast / self.p95
