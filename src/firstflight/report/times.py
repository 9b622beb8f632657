"""The time axis that every plot of a report shares: one span, stages marked, times of day in UTC."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from matplotlib.axes import Axes

from firstflight.report.canvas import plain
from firstflight.report.data import Stage
from firstflight.report.palette import STAND_IN

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_STEPS = (
    *(1, 2, 5, 10, 15, 30),
    *(minutes * _MINUTE for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * _HOUR for hours in (1, 2, 3, 6, 12)),
    *(days * _DAY for days in (1, 2, 7, 14, 28)),
)
_LABEL_WIDTH = 0.017
"""Share of a narrow plot's width that a character of a stage's label takes."""


class TimeAxis:
    """The span from `since` to `until`, and the stages in it."""

    def __init__(self, since: datetime, until: datetime, stages: Sequence[Stage]) -> None:
        self.since = since
        self.until = max(until, since + timedelta(seconds=1))
        self.stages = sorted(stages, key=lambda stage: stage.since)

    def paint(self, axes: Axes, *, wide: bool = False) -> None:
        """Set limits, ticks and stage marks of `axes`, whose coordinates are seconds since 1970."""
        axes.set_xlim(self.since.timestamp(), self.until.timestamp())
        moments = self._ticks(10 if wide else 5)
        axes.set_xticks([moment for moment, _ in moments], [label for _, label in moments])
        self._mark_stages(axes, _LABEL_WIDTH / 2 if wide else _LABEL_WIDTH)

    def breaks(self, before: datetime, after: datetime) -> bool:
        """Return whether a stage begins between two moments: what is known of a stage starts anew there."""
        return any(before < stage.since <= after for stage in self.stages)

    def _ticks(self, most: int) -> list[tuple[float, str]]:
        since, until = self.since.timestamp(), self.until.timestamp()
        step = next((step for step in _STEPS if (until - since) / step <= most), math.ceil((until - since) / most))
        form = "%H:%M:%S" if step < _MINUTE else "%H:%M" if until - since < _DAY else "%d %b %H:%M"
        form = form if step < _DAY else "%d %b %Y"
        places = range(math.ceil(since / step), math.floor(until / step) + 1)
        return [(place * step, datetime.fromtimestamp(place * step, UTC).strftime(form)) for place in places]

    def _mark_stages(self, axes: Axes, label_width: float) -> None:
        span = (self.until - self.since).total_seconds()
        free_from = 0.0
        for stage in self.stages:
            place = (stage.since - self.since).total_seconds() / span
            if not 0 <= place <= 1:
                continue
            axes.axvline(stage.since.timestamp(), color=STAND_IN["muted"], linewidth=0.7, alpha=0.55, zorder=1)
            room = label_width * (len(stage.label) + 1)
            if place >= free_from and place + room <= 1 + label_width:
                axes.text(
                    place + 0.004,
                    1.02,
                    plain(stage.label),
                    transform=axes.transAxes,
                    color=STAND_IN["muted"],
                    fontsize=10,
                )
                free_from = place + room
