"""What was observed of requests, answered from a gateway's counters in Prometheus."""

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from firstflight.domain.errors import MetricsUnavailableError
from firstflight.domain.samples import Counts, Histogram, NoData, Sample, Window
from firstflight.domain.series import GatewaySeries, ModelSeries, abandoned
from firstflight.observation import absence
from firstflight.observation.absence import REFUSED
from firstflight.observation.counters import Readings, changed, gained, spans
from firstflight.observation.prometheus_api import PrometheusApi

AHEAD = timedelta(seconds=60)
"""How far past a window the scrape is looked for that ends it; processes are scraped in turn, not at once."""
BACK = timedelta(hours=1)
"""How far back the beginning of complete records is looked for."""
OWN_QUESTIONS, OWN_QUESTIONS_PER_SECOND = 50, 2.0
"""More than driver and guard ask a model about itself; a split is proved before its stage begins."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class PrometheusSource:
    """The request metrics of a MetricSource; windows are over the times of scrapes, and exact.

    What a process of the gateway counted from its first scrape at or after `since` to its first at or after `until`
    is in the window: consecutive windows divide every count, and nothing counted before `since` is in any. An attempt
    that failed and was repeated is an exposure and an event of `error_rate`, but no assignment. `latency` has the
    edges that the gateway keeps; `latency_mean` is NoData, since a gateway keeps no squares. While Prometheus gives no
    whole answer the watermark is None, every metric NoData with the reason, and nobody is assigned anything.
    """

    def __init__(self, url: str, series: GatewaySeries, arms: Callable[[str], Iterable[str]]) -> None:
        """Keep what to ask; `arms` gives the served names that a route's requests are divided among."""
        self._api = PrometheusApi(url)
        self._series = series
        self._arms = arms

    def watermark(self, route: str) -> Window | None:
        """Return the window up to the newest scrape that every live process of the gateway has."""
        del route  # one gateway, all routes
        try:
            newest = min(self._api.newest(self._series.uptime), default=None)
            if newest is None:
                return None
            scraped = self._api.readings(self._series.uptime, newest - BACK // _MILLISECOND, newest)
        except MetricsUnavailableError:
            return None
        first = min((min(one.values) for one in scraped if one.values), default=newest)
        return Window(since=_moment(first), until=_moment(newest))

    def samples(self, route: str, name: str, window: Window) -> Mapping[str, Sample]:
        """Return a sample, or NoData, of every request metric of `name` first seen in `window`."""
        try:
            return self._samples(route, name, window)
        except MetricsUnavailableError as error:
            return dict.fromkeys(absence.REQUEST_METRICS, NoData(reason=str(error)))

    def assignments(self, route: str, window: Window) -> Mapping[str, int]:
        """Return how many requests of `route` were assigned to each served model in `window`, where that is known."""
        try:
            return self._assignments(route, _Reader(self._api, self._series, window))
        except MetricsUnavailableError:
            return {}

    def _samples(self, route: str, name: str, window: Window) -> dict[str, Sample]:
        reader = _Reader(self._api, self._series, window)
        if not reader.covered:
            return dict.fromkeys(absence.REQUEST_METRICS, NoData(reason=absence.of_scrapes(window)))
        series = self._series.of_model(name)
        if calls := reader.apart(series):
            nothing = NoData(reason=absence.of_calls(name, window, calls))
            return dict.fromkeys(absence.REQUEST_METRICS, nothing)
        answered, retried, left = reader.count(series.answered), reader.count(series.retried), reader.left(series)
        failed, refused = reader.count(series.failed) + retried + left, reader.count(series.refused)
        attempts = answered + retried + left
        if not attempts:
            on_route = sum(self._assignments(route, reader).values())
            nothing = NoData(reason=absence.of_requests(route, name, window, on_route))
            return dict.fromkeys(absence.REQUEST_METRICS, nothing)
        known: dict[str, Sample] = {REFUSED: Counts(exposures=attempts, events=refused)}
        if attempts == refused:
            nothing = NoData(reason=absence.of_answers(name, window, refused))
            return {**dict.fromkeys(absence.REQUEST_METRICS, nothing), **known}
        return {
            **known,
            "error_rate": Counts(exposures=attempts - refused, events=failed),
            "latency": _latency(reader, series, name, attempts),
            "latency_mean": NoData(reason=absence.of_squares(name)),
        }

    def _assignments(self, route: str, reader: "_Reader") -> dict[str, int]:
        series = {name: self._series.of_model(name) for name in self._arms(route)}
        counts = {name: reader.count(one.answered) + reader.left(one) for name, one in sorted(series.items())}
        return {name: count for name, count in counts.items() if count}


class _Reader:
    """Asks for each selector once, over one window."""

    def __init__(self, api: PrometheusApi, series: GatewaySeries, window: Window) -> None:
        self._api = api
        self.window = window
        self._since, self._until = _milliseconds(window.since), _milliseconds(window.until)
        self._known: dict[str, tuple[Readings, ...]] = {}
        self.covered = spans(self.readings(series.uptime), self._since, self._until)

    def readings(self, selector: str) -> tuple[Readings, ...]:
        """Return what was scraped of `selector`."""
        if self._since == self._until:
            return ()
        if selector not in self._known:
            self._known[selector] = self._api.readings(selector, self._since, self._until + AHEAD // _MILLISECOND)
        return self._known[selector]

    def count(self, *selectors: str) -> int:
        """Return what the counters of `selectors` gained together."""
        return self.gain(one for selector in selectors for one in self.readings(selector))

    def left(self, series: ModelSeries) -> int:
        """Return how many requests were left by their clients."""
        try:
            active = changed(self.readings(series.active), self.covered)
        except ValueError as error:
            raise MetricsUnavailableError(f"Prometheus does not hold what the gateway counted: {error}") from error
        return abandoned(
            attempted=self.count(*series.attempted),
            retried=self.count(series.retried),
            answered=self.count(series.answered),
            active=active,
        )

    def apart(self, series: ModelSeries) -> int:
        """Return how many predictions came another way, of which the gateway does not know how they went."""
        if series.apart is None:
            return 0
        counted, attempted = (self.readings(selector) for selector in series.apart)
        if counted:
            return sum(_risen(one, self._since, self._until) for one in counted)
        own = OWN_QUESTIONS + OWN_QUESTIONS_PER_SECOND * (self.window.until - self.window.since).total_seconds()
        return max(0, self.gain(attempted) - math.ceil(own))

    def gain(self, series: Iterable[Readings]) -> int:
        """Return what these counters gained together."""
        try:
            return gained(series, self.covered)
        except ValueError as error:
            raise MetricsUnavailableError(f"Prometheus does not hold what the gateway counted: {error}") from error


def _risen(counter: Readings, since: int, until: int) -> int:
    """Return by how much a counter rose from one scrape to the next; what it began with is not known to be new."""
    values = [value for at, value in sorted(counter.values.items()) if since <= at <= until and math.isfinite(value)]
    return math.ceil(sum(after - before if after >= before else after for before, after in pairwise(values)))


def _latency(reader: _Reader, series: ModelSeries, name: str, requests: int) -> Sample:
    buckets: dict[float, list[Readings]] = {}
    for one in reader.readings(series.latency):
        buckets.setdefault(float(dict(one.labels).get("le", "nan")), []).append(one)
    edges = sorted(edge for edge in buckets if math.isfinite(edge))
    if not edges or math.inf not in buckets:
        return NoData(reason=absence.of_latencies(name, reader.window, requests))
    reached = [reader.gain(buckets[edge]) for edge in (*edges, math.inf)]
    counts = [reached[0], *(after - before for before, after in pairwise(reached))]
    if min(counts) < 0:
        return NoData(reason=absence.of_buckets(name, reader.window))
    if not reached[-1]:
        return NoData(reason=absence.of_latencies(name, reader.window, requests))
    return Histogram(edges=tuple(edges), counts=tuple(counts))


def _milliseconds(moment: datetime) -> int:
    """Return the first whole millisecond that is not before `moment`."""
    return -((_EPOCH - moment) // _MILLISECOND)


def _moment(milliseconds: int) -> datetime:
    return _EPOCH + milliseconds * _MILLISECOND
