"""The one door to what was observed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol, Self

from firstflight.domain.metrics import Scoring
from firstflight.domain.samples import Sample, Window


class MetricSource(Protocol):
    """Answer what a served model did inside a window.

    Metrics of requests, for the model a request was assigned to: `refused_rate` (Counts, answers 4xx among all), and
    of the others `error_rate` (Counts), `latency` (Histogram, milliseconds, always with the edges of that source),
    `latency_mean` (Moments, milliseconds; NoData where no squares are kept).
    Metrics of outcomes, for the model that answered, each unit once: those of the `Scoring` that it was opened with.
    Units of a block share what moved them (a market day, a campaign; a unit that
    shares nothing is a block of its own), so a block is one observation of every outcome metric, first seen when it
    closes: Moments over blocks, each with its mean; a share as Counts where every block is one unit.

    An outcome belongs to the stage that served its answer, whenever its truth comes: `answered_since` and
    `answered_until` leave out what was first seen answered up to the one, or after the other.
    """

    def scored_by(self, scoring: Scoring) -> Self:
        """Return this source, with outcomes that mean what `scoring` says."""

    def watermark(self, route: str) -> Window | None:
        """Return the window over which records of `route` are complete so far, or None when nobody records yet.

        Its `until` never goes back and moves on without traffic, so that no record then means no request;
        a window that ends at or before it will not gain records later.
        """

    def samples(
        self, route: str, name: str, window: Window, *, answered_since: datetime | None = None
    ) -> Mapping[str, Sample]:
        """Return a sample, or NoData, of every known metric of `name` first seen in `window`."""

    def outcomes(self, route: str, name: str, window: Window, *, answered_until: datetime) -> Mapping[str, Sample]:
        """Return a sample, or NoData, of every outcome metric of `name` first seen in `window`."""

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
        """Return PairedMoments, or NoData, per outcome metric over blocks of which both `control` and `name` saw units.

        A block counts once, when it closes, with each model's mean over its units: those that both answered, as a
        shadow does, or where there are none, those that each answered. It belongs to the stage that served `name`'s
        answers; `control` may have given its own at any time.
        """

    def assignments(self, route: str, window: Window) -> Mapping[str, int]:
        """Return how many requests of `route` were assigned to each served model in `window`."""

    def units(self, route: str, window: Window, *, begun: datetime) -> Mapping[str, int] | None:
        """Return how many units were first routed to each served model in `window`, none of them since `begun`.

        A unit is what the router keeps with its model; a request without one is a unit of its own. None where the
        source does not know units.
        """
