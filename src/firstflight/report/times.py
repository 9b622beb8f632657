"""The time axis that every plot of a report shares: one span, stages marked, times of day in UTC."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

from firstflight.report.canvas import plain
from firstflight.report.data import Stage
from firstflight.report.palette import STAND_IN

_LABEL_WIDTH = 0.017
"""Share of a narrow plot's width that a character of a stage's label takes."""
_LEVELS = 3
"""Lines of labels above a plot: where stages are short, their labels stand above each other."""


class TimeAxis:
    """The span from `since` to `until`, and the stages in it."""

    def __init__(self, since: datetime, until: datetime, stages: Sequence[Stage]) -> None:
        self.since = since
        self.until = max(until, since + timedelta(seconds=1))
        self.stages = sorted(stages, key=lambda stage: stage.since)

    def paint(self, axes: Axes, *, wide: bool = False) -> None:
        """Set limits, ticks and stage marks of `axes`, whose coordinates are moments."""
        axes.set_xlim(self.since, self.until)  # type: ignore[arg-type]  # moments are coordinates, untyped as all here
        locator = AutoDateLocator(tz=UTC, minticks=3, maxticks=12 if wide else 7)  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
        self._mark_stages(axes, _LABEL_WIDTH / 2 if wide else _LABEL_WIDTH)

    def breaks(self, before: datetime, after: datetime) -> bool:
        """Return whether a stage begins between two moments: what is known of a stage starts anew there."""
        return any(before < stage.since <= after for stage in self.stages)

    def _mark_stages(self, axes: Axes, label_width: float) -> None:
        span = (self.until - self.since).total_seconds()
        free_from = [0.0] * _LEVELS
        for stage in self.stages:
            place = (stage.since - self.since).total_seconds() / span
            if not 0 <= place <= 1:
                continue
            line = {"color": STAND_IN["muted"], "linewidth": 0.7, "alpha": 0.55, "zorder": 1}
            axes.axvline(stage.since, **line)  # type: ignore[arg-type]
            room = label_width * (len(stage.label) + 1)
            left = max(0.0, min(place, 1 + label_width - room))
            level = next((level for level, free in enumerate(free_from) if left >= free), None)
            if level is None:
                continue
            free_from[level] = left + room
            axes.text(
                left + 0.004,
                1.02 + 0.07 * level,
                plain(stage.label),
                transform=axes.transAxes,
                color=STAND_IN["muted"],
                fontsize=10,
            )
