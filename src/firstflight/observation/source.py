"""The one door to what was observed."""

from collections.abc import Mapping
from typing import Protocol

from firstflight.domain.samples import Sample, Window


class MetricSource(Protocol):
    """Answer what a served model did inside a window.

    Metrics of requests, for the model a request was assigned to: `error_rate` (Counts), `latency`
    (Histogram, milliseconds, always with the edges of that source), `latency_mean` (Moments, milliseconds;
    NoData where no squares are kept). Metrics of outcomes, for the model that answered, each unit once:
    `accuracy` (Counts of correct among all), `brier` (Moments), `profit` (Moments over blocks of units).
    """

    def watermark(self, route: str) -> Window | None:
        """Return the window over which records of `route` are complete so far, or None when nobody records yet.

        Its `until` never goes back and moves on without traffic, so that no record then means no request;
        a window that ends at or before it will not gain records later.
        """

    def samples(self, route: str, name: str, window: Window) -> Mapping[str, Sample]:
        """Return a sample, or NoData, of every known metric of `name` first seen in `window`."""

    def paired(self, route: str, control: str, name: str, window: Window) -> Mapping[str, Sample]:
        """Return PairedMoments, or NoData, per outcome metric over blocks of units both `control` and `name` answered.

        Units of a block share what moved them (a market day), so a block is one observation of every metric: each
        model's mean over the units of the block that both answered, first seen when the block closed.
        """

    def assignments(self, route: str, window: Window) -> Mapping[str, int]:
        """Return how many requests of `route` were assigned to each served model in `window`."""
