"""Who answers a request: decided for each one, or for the unit it is about."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from benchmarks.worlds.events import CANDIDATE, STABLE, Ints


class Router(Protocol):
    """One rollout's router; it remembers what it must."""

    def route(self, first: int, count: int, share: float) -> tuple[Ints, Ints]:
        """Return unit and arm of `count` requests, `first` numbering the first, with `share` to the candidate."""


class Routing(Protocol):
    """How requests are divided."""

    def router(self, rng: np.random.Generator) -> Router:
        """Return the router of one rollout."""


@dataclass(frozen=True)
class PerRequest:
    """Every request is about a unit of its own and is routed by itself."""

    def router(self, rng: np.random.Generator) -> Router:
        """Return the router of one rollout."""
        return _RequestRouter(rng)


@dataclass(frozen=True)
class PerUnit:
    """`units` ask again and again, the n-th as often as 1 / n**zipf, and each stays with its model.

    A unit's place is fixed for the rollout: whoever had the candidate at 5 % has it at 10 %.
    """

    units: int
    zipf: float = 0.0

    def router(self, rng: np.random.Generator) -> Router:
        """Return the router of one rollout."""
        return _UnitRouter(self, rng)


class _RequestRouter:
    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def route(self, first: int, count: int, share: float) -> tuple[Ints, Ints]:
        return np.arange(first, first + count), np.where(self._rng.random(count) < share, CANDIDATE, STABLE)


class _UnitRouter:
    def __init__(self, routing: PerUnit, rng: np.random.Generator) -> None:
        self._rng = rng
        often = 1.0 / np.arange(1, routing.units + 1) ** routing.zipf
        self._upto = np.cumsum(often / often.sum())
        self._upto[-1] = 1.0
        self._place = rng.random(routing.units)

    def route(self, first: int, count: int, share: float) -> tuple[Ints, Ints]:
        del first  # units come back
        unit = np.searchsorted(self._upto, self._rng.random(count), side="right")
        return unit, np.where(self._place[unit] < share, CANDIDATE, STABLE)
