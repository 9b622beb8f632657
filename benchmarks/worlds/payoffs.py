"""What acting on a positive answer pays, given how the question turned out."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from benchmarks.worlds.events import Floats


class Payoff(Protocol):
    """How payoffs are drawn."""

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the most that an answer can earn, acted on or not."""

    def draw(self, rng: np.random.Generator, truth: Floats) -> Floats:
        """Return what acting pays for each truth."""


@dataclass(frozen=True)
class Even:
    """About +1 when the truth is positive and -1 when it is not: up to `noise` more or less."""

    noise: float = 0.5

    @property
    def bounds(self) -> tuple[float, float]:
        """The worst and the best answer."""
        return -1 - self.noise, 1 + self.noise

    def draw(self, rng: np.random.Generator, truth: Floats) -> Floats:
        """Return what acting pays for each truth."""
        return 2 * truth - 1 + rng.uniform(-self.noise, self.noise, truth.size)


@dataclass(frozen=True)
class Rare:
    """`value` for a `share` of the positive truths, nothing for anything else."""

    share: float
    value: float

    @property
    def bounds(self) -> tuple[float, float]:
        """The worst and the best answer."""
        return 0.0, self.value

    def draw(self, rng: np.random.Generator, truth: Floats) -> Floats:
        """Return what acting pays for each truth."""
        return np.where((truth > 0.5) & (rng.random(truth.size) < self.share), self.value, 0.0)


@dataclass(frozen=True)
class Skewed:
    """Mean zero whatever the truth: a loss of 1 nearly always, and once in `once_in` a win that makes up for it."""

    once_in: int

    @property
    def bounds(self) -> tuple[float, float]:
        """The worst and the best answer."""
        return -1.0, self.once_in - 1.0

    def draw(self, rng: np.random.Generator, truth: Floats) -> Floats:
        """Return what acting pays for each truth."""
        return np.where(rng.random(truth.size) * self.once_in < 1, self.once_in - 1.0, -1.0)
