"""What Prometheus is told of a guard: that it goes its rounds, how long they take, and how old leases are."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from firstflight.guard.clock import LeaseClock
from firstflight.telemetry.families import family
from firstflight.telemetry.serve import served

log = logging.getLogger(__name__)

EDGES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


class GuardFigures(Collector):
    """Counts what a guard does; another thread may ask at any moment."""

    def __init__(
        self, clock: LeaseClock, monotonic: Callable[[], float] = time.monotonic, now: Callable[[], float] = time.time
    ) -> None:
        """Count from 0; `clock` is the guard's own."""
        self._clock = clock
        self._monotonic, self._now = monotonic, now
        self._counts = [0] * (len(EDGES) + 1)
        self._seconds = 0.0
        self._ended: float | None = None
        self._homecomings = 0

    def went(self, seconds: float) -> None:
        """Count a round that took so many seconds."""
        self._counts[sum(edge < seconds for edge in EDGES)] += 1
        self._seconds += seconds
        self._ended = self._now()

    def brought_home(self) -> None:
        """Count a route that was brought home."""
        self._homecomings += 1

    def describe(self) -> Iterator[Metric]:
        """Yield nothing: what is registered is not asked for that."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Yield what was counted; a guard that has gone no round says not when."""
        rounds, took = family("firstflight_guard_rounds"), family("firstflight_guard_round_seconds")
        ended, home = family("firstflight_guard_round_timestamp_seconds"), family("firstflight_guard_homecomings")
        rounds.add((), sum(self._counts))
        took.add_histogram((), EDGES, self._counts, self._seconds)
        if self._ended is not None:
            ended.add((), self._ended)
        home.add((), self._homecomings)
        yield from (rounds, took, ended, home)
        age, left = family("firstflight_lease_age_seconds"), family("firstflight_lease_left_seconds")
        for route, (since, remaining) in self._clock.ages(self._monotonic()).items():
            age.add((route,), since)
            left.add((route,), remaining)
        yield from (age, left)


@contextmanager
def told(figures: GuardFigures, host: str, port: int) -> Iterator[None]:
    """Answer Prometheus on `host` and `port`; a guard whom nobody can ask, since another has the port, watches on."""
    registry = CollectorRegistry()
    registry.register(figures)
    with ExitStack() as opened:
        try:
            opened.enter_context(served(registry, host, port))
        except (OSError, ValueError) as error:
            log.warning("port %d of %s tells no metrics: %s", port, host, error)
        yield
