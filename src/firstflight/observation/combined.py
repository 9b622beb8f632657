"""Requests from where the gateway counts them, outcomes from where predictions are kept."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol, Self

from firstflight.domain.metrics import Scoring
from firstflight.domain.samples import Sample, Window
from firstflight.observation import absence
from firstflight.observation.source import MetricSource


class RequestSource(Protocol):
    """The part of a MetricSource that needs no outcomes."""

    def watermark(self, route: str) -> Window | None:
        """As in MetricSource."""

    def samples(self, route: str, name: str, window: Window) -> Mapping[str, Sample]:
        """As in MetricSource, of the request metrics alone."""

    def assignments(self, route: str, window: Window) -> Mapping[str, int]:
        """As in MetricSource."""


class CombinedSource:
    """MetricSource of two: a window is complete when it is in both."""

    def __init__(self, requests: RequestSource, outcomes: MetricSource) -> None:
        """Keep both."""
        self._requests = requests
        self._outcomes = outcomes

    def scored_by(self, scoring: Scoring) -> Self:
        """Return this source, with outcomes that mean what `scoring` says."""
        return type(self)(self._requests, self._outcomes.scored_by(scoring))

    def watermark(self, route: str) -> Window | None:
        """Return the window that both have; None while either has none."""
        asked, judged = self._requests.watermark(route), self._outcomes.watermark(route)
        if asked is None or judged is None:
            return None
        until = min(asked.until, judged.until)
        return Window(since=min(until, max(asked.since, judged.since)), until=until)

    def samples(
        self, route: str, name: str, window: Window, *, answered_since: datetime | None = None
    ) -> Mapping[str, Sample]:
        """Return request metrics of the one, outcome metrics of the other."""
        judged = self._outcomes.samples(route, name, window, answered_since=answered_since)
        return {
            **self._requests.samples(route, name, window),
            **{metric: sample for metric, sample in judged.items() if metric not in absence.REQUEST_METRICS},
        }

    def outcomes(self, route: str, name: str, window: Window, *, answered_until: datetime) -> Mapping[str, Sample]:
        """Return a sample, or NoData, of every outcome metric of `name` first seen in `window`."""
        return self._outcomes.outcomes(route, name, window, answered_until=answered_until)

    def paired(
        self,
        route: str,
        control: str,
        name: str,
        window: Window,
        *,
        answered_since: datetime | None = None,
        answered_until: datetime | None = None,
    ) -> Mapping[str, Sample]:
        """Return PairedMoments, or NoData, per outcome metric over blocks of which both saw units."""
        return self._outcomes.paired(
            route, control, name, window, answered_since=answered_since, answered_until=answered_until
        )

    def assignments(self, route: str, window: Window) -> Mapping[str, int]:
        """Return how many requests of `route` were assigned to each served model in `window`."""
        return self._requests.assignments(route, window)

    def units(self, route: str, window: Window, *, begun: datetime) -> Mapping[str, int] | None:
        """Return None: a mesh routes each request by itself, and counts no units."""
        del route, window, begun
        return None
