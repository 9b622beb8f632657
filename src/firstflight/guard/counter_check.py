"""The fast path: what the router counts, and whether candidates are alive. Needs the backend alone."""

import logging
from collections import deque
from collections.abc import Callable

from firstflight.domain.errors import BackendUnavailableError
from firstflight.domain.traffic import TrafficSplit
from firstflight.guard.hard_faults import hard_fault, since
from firstflight.serving.backend import RouterTally, ServingBackend

log = logging.getLogger(__name__)

RECENT_SECONDS = 30.0
"""What lies further back is forgotten."""
SPANS = (4.0, 10.0, RECENT_SECONDS)
"""What is looked at: the last round, so that a fault is not diluted by the health before it; more for few requests."""
SECOND_ASKING_SECONDS = 1.0

_Reading = tuple[float, dict[str, RouterTally]]


class CounterCheck:
    """Remembers the counters of the last seconds of each route."""

    def __init__(self, wait: Callable[[float], None]) -> None:
        """`wait` lets seconds pass before a silent candidate is asked again."""
        self._wait = wait
        self._readings: dict[str, deque[_Reading]] = {}
        self._uncounted: dict[str, set[str]] = {}

    def fault(self, backend: ServingBackend, route: str, candidates: tuple[str, ...], now: float) -> str | None:
        """Return what is blatantly wrong with a candidate that has traffic, None when nothing is.

        Raises BackendUnavailableError when the router does not answer.
        """
        split = backend.get_traffic(route)
        if split is None or not any(split.percent(name) for name in candidates):
            self._readings.pop(route, None)
            return None
        try:  # counting first: a server that hangs takes long to be found out by asking it
            if fault := self._counted(backend, route, split, candidates, now):
                return fault
        except BackendUnavailableError:
            if fault := self._dead(backend, split, candidates):
                return fault
            raise
        return self._dead(backend, split, candidates)

    def _dead(self, backend: ServingBackend, split: TrafficSplit, candidates: tuple[str, ...]) -> str | None:
        for name in candidates:
            if not split.percent(name) or backend.is_ready(name):
                continue
            self._wait(SECOND_ASKING_SECONDS)
            if not backend.is_ready(name):
                return f"{name} is not ready to answer, asked twice"
        return None

    def _counted(
        self, backend: ServingBackend, route: str, split: TrafficSplit, candidates: tuple[str, ...], now: float
    ) -> str | None:
        readings = self._readings.setdefault(route, deque())
        readings.append((now, dict(backend.tallies(route))))
        while readings and now - readings[0][0] > RECENT_SECONDS:
            readings.popleft()
        counts = readings[-1][1]
        if len(readings) > 1 and any(_fell(readings[-2][1].get(name), one) for name, one in counts.items()):
            log.warning("%s: the router's counters fell: it was restarted, or somebody set them back", route)
        self._tell_of_uncounted(route, {name for name in candidates if split.percent(name)} - counts.keys())
        for span in SPANS:
            before = next(counts for at, counts in readings if at >= now - span)
            for name in (one for one in candidates if one in counts):
                if fault := hard_fault(_recent(before, counts, split.stable), _recent(before, counts, name)):
                    return f"{name}: {fault}"
        return None

    def _tell_of_uncounted(self, route: str, missing: set[str]) -> None:
        """Say once of whom the counters know nothing: that is no health, and the other questions are still asked."""
        for name in sorted(missing - self._uncounted.get(route, set())):
            log.error("%s: the router counts nothing of %s; no burst of failures can be seen there", route, name)
        self._uncounted[route] = missing


def _fell(before: RouterTally | None, now: RouterTally) -> bool:
    return before is not None and now.requests < before.requests


def _recent(before: dict[str, RouterTally], now: dict[str, RouterTally], name: str) -> RouterTally:
    """Return what was counted in between; a stable model that is not counted is not known to fail."""
    return since(before.get(name, RouterTally()), now.get(name, RouterTally()))
