"""The fast path: what the router counts, and whether candidates are alive. Needs the backend alone."""

from collections import deque
from collections.abc import Callable

from firstflight.domain.errors import BackendUnavailableError
from firstflight.domain.traffic import TrafficSplit
from firstflight.guard.hard_faults import hard_fault, since
from firstflight.serving.backend import ServingBackend, Tally

RECENT_SECONDS = 30.0
"""What lies further back is forgotten."""
SPANS = (4.0, 10.0, RECENT_SECONDS)
"""What is looked at: the last round, so that a fault is not diluted by the health before it; more for few requests."""
SECOND_ASKING_SECONDS = 1.0

_Reading = tuple[float, dict[str, Tally]]


class Pulse:
    """Remembers the counters of the last seconds of each route."""

    def __init__(self, wait: Callable[[float], None]) -> None:
        """`wait` lets seconds pass before a silent candidate is asked again."""
        self._wait = wait
        self._readings: dict[str, deque[_Reading]] = {}

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
        for span in SPANS:
            before = next(counts for at, counts in readings if at >= now - span)
            for name in candidates:
                stable, candidate = (_recent(before, readings[-1][1], one) for one in (split.stable, name))
                if fault := hard_fault(stable, candidate):
                    return f"{name}: {fault}"
        return None


def _recent(before: dict[str, Tally], now: dict[str, Tally], name: str) -> Tally:
    return since(before.get(name, Tally()), now.get(name, Tally()))
