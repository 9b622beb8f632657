"""What acting on a positive answer pays, given how the question turned out."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from benchmarks.worlds.events import Floats


class Payoff(Protocol):
    """How payoffs are drawn."""

    def draw(self, rng: np.random.Generator, truth: Floats) -> Floats:
        """Return what acting pays for each truth."""


@dataclass(frozen=True)
class Even:
    """About +1 when the truth is positive and -1 when it is not, with normal noise."""

    noise: float = 0.3

    def draw(self, rng: np.random.Generator, truth: Floats) -> Floats:
        """Return what acting pays for each truth."""
        return 2 * truth - 1 + self.noise * rng.standard_normal(truth.size)


@dataclass(frozen=True)
class Rare:
    """`value` for a `share` of the positive truths, nothing for anything else."""

    share: float
    value: float

    def draw(self, rng: np.random.Generator, truth: Floats) -> Floats:
        """Return what acting pays for each truth."""
        return np.where((truth > 0.5) & (rng.random(truth.size) < self.share), self.value, 0.0)


@dataclass(frozen=True)
class Skewed:
    """Mean zero whatever the truth: a loss of 1 nearly always, and once in `once_in` a win that makes up for it."""

    once_in: int

    def draw(self, rng: np.random.Generator, truth: Floats) -> Floats:
        """Return what acting pays for each truth."""
        return np.where(rng.random(truth.size) * self.once_in < 1, self.once_in - 1.0, -1.0)
