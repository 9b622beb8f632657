"""What counters gained inside a window, exactly: differences of scraped values, nothing extrapolated.

PromQL's `increase` stretches what it saw to the edges of its range and overlooks the first value of a series, so it
gives 2.86 failures where there were 3. Here a window begins, for each process, at its first scrape at or after `since`
and ends at its first scrape at or after `until`: consecutive windows divide every count among them, and what a
process did before `since` is in none. Times are in whole milliseconds, as Prometheus keeps them.
"""

import bisect
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

_WHOLE = 1e-6
_UPTIME_MS = 6000  # an uptime is up to this much too short: it is in whole seconds, and set anew every five

Labels = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Readings:
    """One series: its labels without the name, and its scraped values by time; a NaN is a scrape that said nothing."""

    labels: Labels
    values: Mapping[int, float]


@dataclass(frozen=True)
class Span:
    """The scrapes of one process that a window covers, the first of them the state before.

    `restarts` are those that found another process than the scrape before did; `fresh` says that the process began
    inside the window, so that everything it had counted at the first scrape belongs to the window too.
    """

    process: Labels
    scrapes: tuple[int, ...]
    restarts: frozenset[int] = frozenset()
    fresh: bool = False


def spans(uptimes: Iterable[Readings], since: int, until: int) -> tuple[Span, ...]:
    """Return what `(since, until]` covers of each process; `uptimes` in seconds, from `since` until past `until`.

    A process that is scraped twice is taken once, whatever it is called: a pod is one process at a time.
    """
    processes: dict[tuple[str | None, str | None], list[Readings]] = {}
    for found in sorted(uptimes, key=lambda one: (-len(one.values), sorted(one.labels))):
        labels = dict(found.labels)
        place = (labels.get("namespace"), labels["pod"]) if "pod" in labels else (None, labels.get("instance"))
        known = processes.setdefault(place, [])
        if not any(_together(found, one) for one in known):
            known.append(found)
    covered = (_span(found, since, until) for known in processes.values() for found in known)
    return tuple(span for span in covered if span is not None)


def _together(one: Readings, other: Readings) -> bool:
    """Whether both were scraped over the same stretch of time; a pod that moved is another process, later."""
    if not one.values or not other.values:
        return True
    return min(one.values) <= max(other.values) and min(other.values) <= max(one.values)


def _span(uptimes: Readings, since: int, until: int) -> Span | None:
    times = sorted(at for at, value in uptimes.values.items() if at >= since and math.isfinite(value))
    if not times:
        return None
    end = bisect.bisect_left(times, until)
    scrapes = tuple(times[: end + 1])
    age = {at: uptimes.values[at] * 1000 + _UPTIME_MS for at in scrapes}
    restarts = {at for before, at in pairwise(scrapes) if age[at] < max(age[before], at - before)}
    fresh = age[scrapes[0]] <= scrapes[0] - since and scrapes[0] <= until
    return Span(uptimes.labels, scrapes, frozenset(restarts), fresh)


def gained(series: Iterable[Readings], covered: Sequence[Span]) -> int:
    """Return by how much `series`, all of them counters of requests, rose together over what is covered.

    Raises:
        ValueError: One rose by something else than a whole number, so it counts no requests.
    """
    return sum(_whole(_gained(one, span)) for one in series for span in covered if span.process <= one.labels)


def changed(series: Iterable[Readings], covered: Sequence[Span]) -> int:
    """Return by how much `series`, all of them gauges, changed together over what is covered; down is below 0.

    Raises:
        ValueError: As `gained`.
    """
    found = (_gained(one, span, falls=True) for one in series for span in covered if span.process <= one.labels)
    return sum(_whole(one) for one in found)


def _gained(series: Readings, span: Span, *, falls: bool = False) -> float:
    """Add up the steps: a counter is at 0 while it is not there, and begins at 0 when it fell or its process is new.

    Envoy shows a counter from its first request on and as long as its cluster lives, so one that a scrape no longer
    finds begins anew, also where the uptimes are too short to tell two processes apart.
    """
    total = 0.0
    last: float | None = 0.0 if span.fresh else None
    for at in span.scrapes:
        if at in span.restarts:
            last = 0.0
        value = series.values.get(at, 0.0)
        if not math.isfinite(value):
            continue
        if last is not None:
            total += value - last if falls or value >= last else value
        last = value
    return total


def _whole(count: float) -> int:
    nearest = round(count)
    if abs(count - nearest) > _WHOLE * max(1.0, abs(count)):
        raise ValueError(f"a counter gained {count}, no number of requests")
    return nearest
