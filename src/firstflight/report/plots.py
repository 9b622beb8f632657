"""The report's drawings: pure functions from values to SVG."""

import math
import statistics
from collections.abc import Mapping, Sequence
from datetime import timedelta

from markupsafe import Markup
from matplotlib.axes import Axes

from firstflight.domain.wording import number
from firstflight.report.canvas import draw, plain
from firstflight.report.data import Chart, Comparison, GuardrailCourse, GuardrailLook, Point, TrafficBin
from firstflight.report.palette import STAND_IN
from firstflight.report.times import TimeAxis

WIDE = (960, 270)
HALF = (480, 250)
_MOST_BINS = 400
_MOST_POINTS = 600
_HIGHEST = 2.0
"""Evidence is drawn up to this many times its threshold, and as far below zero as its threshold is above."""


def traffic(bins: Sequence[TrafficBin], colours: Mapping[str, str], axis: TimeAxis) -> Markup:
    """Draw requests per second by variant, stacked, in the order of `colours`."""
    x, heights = _steps(_merged(sorted(bins, key=lambda one: one.at)), tuple(colours))

    def paint(axes: Axes) -> None:
        shown = [STAND_IN[colour] for colour in colours.values()]
        axes.stackplot(x, heights, colors=shown, linewidth=0)
        axes.set_ylabel("requests per second")
        axes.set_ylim(bottom=0)
        axis.paint(axes, wide=True)

    return draw("traffic", "Requests per second by variant over time", WIDE, paint)


def _merged(bins: Sequence[TrafficBin]) -> list[TrafficBin]:
    """Join neighbours until few enough are left to draw."""
    each = math.ceil(len(bins) / _MOST_BINS)
    joined = []
    for start in range(0, len(bins), each):
        group = bins[start : start + each]
        names = {name for one in group for name in one.requests}
        requests = {name: sum(one.requests.get(name, 0) for one in group) for name in sorted(names)}
        seconds = (group[-1].at - group[0].at).total_seconds() + group[-1].seconds
        joined.append(TrafficBin(at=group[0].at, seconds=seconds, requests=requests))
    return joined


def _steps(bins: Sequence[TrafficBin], names: Sequence[str]) -> tuple[list[float], list[list[float]]]:
    """Return the outline of bars without gaps between neighbours and with zeros where no bin is."""
    x: list[float] = []
    heights: list[list[float]] = [[] for _ in names]
    last = None
    for one in bins:
        end = one.at + timedelta(seconds=one.seconds)
        if last is not None and one.at > last + timedelta(seconds=0.5 * one.seconds):
            for moment in (last, one.at):
                x.append(moment.timestamp())
                for height in heights:
                    height.append(0.0)
        for moment in (one.at, end):
            x.append(moment.timestamp())
            for name, height in zip(names, heights, strict=True):
                height.append(one.requests.get(name, 0) / one.seconds)
        last = end
    return x, heights


def chart(name: str, shown: Chart, colours: Mapping[str, str], axis: TimeAxis) -> Markup:
    """Draw a metric's lines over time against its limit; a line breaks where nothing was measured."""

    def paint(axes: Axes) -> None:
        for line in shown.lines:
            points = _thinned(line.points)
            axes.plot(
                [point.at.timestamp() for point in points],
                [_value(point) for point in points],
                color=STAND_IN[colours[line.variant]],
                linestyle=(0, (4, 2)) if line.dashed else "-",
                marker="." if len(points) == 1 else "",
            )
        axes.set_ylabel(plain(shown.unit))
        if shown.limit is not None:
            _limit(axes, shown.limit, f"limit {number(shown.limit)} {shown.unit}")
        _fit(axes, [_value(point) for line in shown.lines for point in line.points], shown.limit)
        axis.paint(axes)

    return draw(name, f"{shown.title} over time by variant", HALF, paint)


def _fit(axes: Axes, values: Sequence[float], limit: float | None) -> None:
    """Show everything, the limit included; from zero on, unless that would flatten the lines."""
    known = [value for value in values if not math.isnan(value)] + ([] if limit is None else [limit])
    if not known:
        return
    low, high = min(known), max(known)
    pad = 0.12 * (high - low) or 0.1 * abs(high) or 1.0
    bottom = -0.02 * high if 0 <= low <= high / 2 else low - pad  # a line at zero is still seen whole
    axes.set_ylim(bottom, high + pad)


def evidence(name: str, course: GuardrailCourse, axis: TimeAxis) -> Markup:
    """Draw how far the evidence of harm and the proof of harmlessness are on their ways to their thresholds."""
    looks = _every(course.looks)
    harm = _shares([(look, look.log_e_rollback) for look in looks], course.log_threshold_rollback)
    proof = _shares([(look, look.log_e_promote) for look in looks], course.log_threshold_promote)

    def paint(axes: Axes) -> None:
        for line, colour, starts_anew in ((harm, "bad", False), (proof, "good", True)):
            x, y = _broken(line, axis if starts_anew else None)
            axes.plot(x, y, color=STAND_IN[colour], marker="." if len(x) == 1 else "")
        axes.axhline(0, color=STAND_IN["muted"], linewidth=0.8)
        _limit(axes, 1.0, "enough", colour="ink")
        axes.set_ylim(-1, _HIGHEST)
        axes.set_yticks([-1, 0, 1, 2])
        axes.set_ylabel("evidence ÷ threshold")
        axis.paint(axes)

    return draw(name, f"Evidence about {course.metric} over time, as a share of its threshold", HALF, paint)


def _shares(
    line: Sequence[tuple[GuardrailLook, float | None]], threshold: float | None
) -> list[tuple[GuardrailLook, float | None]]:
    if not threshold:
        return [(look, None) for look, _ in line]
    limits = (-1.5, _HIGHEST + 0.5)  # what leaves the picture leaves it at once, however far it goes
    return [(look, None if e is None else min(max(e / threshold, limits[0]), limits[1])) for look, e in line]


def _broken(
    line: Sequence[tuple[GuardrailLook, float | None]], axis: TimeAxis | None
) -> tuple[list[float], list[float]]:
    """Return coordinates, with a gap where a stage begins if `axis` is given."""
    x: list[float] = []
    y: list[float] = []
    last: GuardrailLook | None = None
    for look, value in line:
        if axis and last and axis.breaks(last.at, look.at):
            x.append(look.at.timestamp())
            y.append(math.nan)
        x.append(look.at.timestamp())
        y.append(math.nan if value is None else value)
        last = look
    return x, y


def interval(name: str, course: GuardrailCourse, axis: TimeAxis) -> Markup:
    """Draw the confidence sequence closing in on the metric, beside what it is held to."""
    looks = _every(course.looks)
    x, middle = _broken([(look, look.value) for look in looks], axis)
    _, low = _broken([(look, look.low) for look in looks], axis)
    _, high = _broken([(look, look.high) for look in looks], axis)
    held_to = _held_to(course)
    bottom, top = _view(middle, low, high, [value for value, _ in held_to])

    def paint(axes: Axes) -> None:
        colour = STAND_IN["candidate"]
        ends = [
            (bottom - 1 if math.isnan(a) else a, top + 1 if math.isnan(b) else b)
            for a, b in zip(low, high, strict=True)
        ]
        known = [not math.isnan(value) for value in middle]
        axes.fill_between(
            x, [a for a, _ in ends], [b for _, b in ends], where=known, color=colour, alpha=0.22, linewidth=0
        )
        axes.plot(x, middle, color=colour, marker="." if len(x) == 1 else "")
        for value, label in held_to:
            _limit(axes, value, label)
        if course.interval_of == "difference":
            axes.axhline(0, color=STAND_IN["muted"], linewidth=0.8)
        axes.set_ylim(bottom, top)
        axes.set_ylabel(plain(course.unit))
        axis.paint(axes)

    return draw(name, f"Confidence sequence of {course.metric} over time", HALF, paint)


def _held_to(course: GuardrailCourse) -> list[tuple[float, str]]:
    if course.interval_of == "candidate":
        return [] if course.limit is None else [(course.limit, f"limit {number(course.limit)} {course.unit}")]
    if course.margin is None:
        return []
    harmful = course.margin if course.direction == "lower_is_better" else -course.margin
    return [(harmful, f"margin {number(harmful)} {course.unit}")]


def _view(middle: list[float], low: list[float], high: list[float], held_to: list[float]) -> tuple[float, float]:
    """Return the range that shows the end of the story: the widest early intervals run out of the picture."""
    wanted = [value for value in middle if not math.isnan(value)] + held_to
    for ends in (low, high):
        if known := sorted(value for value in ends if not math.isnan(value)):
            wanted += [known[len(known) // 4], known[3 * len(known) // 4]]
    if not wanted:
        return 0.0, 1.0
    pad = 0.12 * (max(wanted) - min(wanted)) or 0.1 * abs(wanted[0]) or 1.0
    return min(wanted) - pad, max(wanted) + pad


def forest(comparisons: Sequence[Comparison]) -> Markup | None:
    """Draw the improvement of each variant in each metric with its interval; None when none is known in percent."""
    rows = [
        (
            f"{one.metric}: {one.treatment.variant}",
            one.improvement,
            one.improvement_low,
            one.improvement_high,
            one.margin,
        )
        for one in comparisons
    ]
    whole = [
        (label, middle, low, high, margin)
        for label, middle, low, high, margin in rows
        if middle is not None and low is not None and high is not None
    ]
    if not whole:
        return None
    reach = sorted(max(abs(low), abs(high), abs(middle)) for _, middle, low, high, _ in whole)
    edge = 1.1 * max(one for one in reach if one <= 3 * statistics.median(reach)) or 1.0

    def paint(axes: Axes) -> None:
        axes.grid(visible=False)
        axes.axvline(0, color=STAND_IN["muted"], linewidth=1)
        for place, (_, middle, low, high, margin) in enumerate(whole):
            colour = STAND_IN["good" if low > 0 else "bad" if high < 0 else "ink"]
            axes.plot([max(low, -edge), min(high, edge)], [place, place], color=colour, linewidth=2)
            for end, marker in ((low, "<"), (high, ">")):
                if abs(end) > edge:
                    axes.plot([math.copysign(edge, end)], [place], marker=marker, color=colour, clip_on=False)
            if abs(middle) <= edge:
                axes.plot([middle], [place], marker="s", markersize=6, color=colour)
            if margin is not None and margin <= edge:
                axes.plot([-margin] * 2, [place - 0.3, place + 0.3], color=STAND_IN["warning"], linewidth=1.4)
        axes.set_yticks(range(len(whole)), [plain(label) for label, *_ in whole])
        axes.tick_params(axis="y", labelcolor=STAND_IN["ink"])
        axes.set_ylim(len(whole) - 0.4, -0.6)
        axes.set_xlim(-edge, edge)
        axes.set_xlabel("improvement over control in %, with its interval")

    return draw("forest", "Improvement over control with intervals", (960, 90 + 30 * len(whole)), paint)


def _limit(axes: Axes, value: float, label: str, colour: str = "limit") -> None:
    axes.axhline(value, color=STAND_IN[colour], linewidth=1.2, linestyle=(0, (5, 3)))
    axes.annotate(
        plain(label),
        (0.995, value),
        xycoords=axes.get_yaxis_transform(),
        xytext=(0, 3),
        textcoords="offset points",
        ha="right",
        color=STAND_IN[colour],
        fontsize=10,
    )


def _thinned(points: Sequence[Point]) -> list[Point]:
    """Keep the lowest and the highest of each run of neighbours, so that a long line loses no peak."""
    if len(points) <= _MOST_POINTS:
        return list(points)
    each = math.ceil(2 * len(points) / _MOST_POINTS)
    kept = []
    for start in range(0, len(points), each):
        group = points[start : start + each]
        measured = [point for point in group if point.value is not None]
        ends = {min(measured, key=_value), max(measured, key=_value)} if measured else {group[0]}
        kept += sorted(ends, key=lambda point: point.at)
    return kept


def _value(point: Point) -> float:
    return math.nan if point.value is None else point.value


def _every(looks: Sequence[GuardrailLook]) -> list[GuardrailLook]:
    """Keep looks at even distances, and the last: what they show moves slowly."""
    each = math.ceil(len(looks) / _MOST_POINTS)
    return [*looks[:-1:each], looks[-1]]
