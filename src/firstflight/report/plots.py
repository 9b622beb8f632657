"""The report's drawings: pure functions from values to SVG."""

import math
import statistics
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from markupsafe import Markup
from matplotlib.axes import Axes

from firstflight.comparison.compare import MetricRow
from firstflight.decision.verdicts import MetricVerdict
from firstflight.domain.plans import Guardrail
from firstflight.domain.wording import Unit, gap, quantity, scaled
from firstflight.observation.history import Bin
from firstflight.report.canvas import draw, plain
from firstflight.report.data import Course
from firstflight.report.palette import STAND_IN
from firstflight.report.times import TimeAxis

WIDE = (960, 270)
HALF = (480, 250)
_MOST_LOOKS = 600
_HIGHEST = 2.0
"""Evidence is drawn up to this many times its threshold, and as far below zero as its threshold is above."""
_FAR = 3.0
"""Improvements are drawn on a scale that is logarithmic from here on, in medians of their reach, when one is beyond."""


def traffic(bins: Sequence[Bin], colours: Mapping[str, str], axis: TimeAxis) -> Markup:
    """Draw requests per second by variant, stacked, in the order of `colours`."""
    moments = [moment for one in bins for moment in (one.at, one.at + timedelta(seconds=one.seconds))]
    heights = [[rate for one in bins for rate in [served(one, name) / one.seconds] * 2] for name in colours]

    def paint(axes: Axes) -> None:
        shown = [STAND_IN[colour] for colour in colours.values()]
        axes.stackplot(moments, heights, colors=shown, linewidth=0)  # type: ignore[arg-type]  # moments are coordinates
        axes.set_ylabel("requests per second")
        axes.set_ylim(bottom=0)
        axis.paint(axes, wide=True)

    return draw("traffic", "Requests per second by variant over time", WIDE, paint)


def served(one: Bin, name: str) -> int:
    """Return how many requests `name` answered in a bin; what a shadow answered went to nobody."""
    return one.models[name].requests if name in one.models and not one.models[name].shadow else 0


def latency(bins: Sequence[Bin], colours: Mapping[str, str], limit: float | None, axis: TimeAxis) -> Markup:
    """Draw p50 (dashed) and p95 of each variant in milliseconds against the limit."""
    lines = [
        (colours[name], dashed, [_known(one, name, quantile) for one in bins])
        for name in colours
        for quantile, dashed in (("p50", True), ("p95", False))
    ]
    return _chart("latency", "Latency", "ms", bins, lines, limit, axis)


def errors(bins: Sequence[Bin], colours: Mapping[str, str], limit: float | None, axis: TimeAxis) -> Markup:
    """Draw the share of failed requests of each variant in percent against the limit, a share."""

    def failed(one: Bin, name: str) -> float:
        return 100 * one.models[name].failed / requests if (requests := served(one, name)) else math.nan

    lines = [(colour, False, [failed(one, name) for one in bins]) for name, colour in colours.items()]
    return _chart("errors", "Error rate", "%", bins, lines, None if limit is None else 100 * limit, axis)


def _known(one: Bin, name: str, quantile: str) -> float:
    value = getattr(one.models[name], quantile) if served(one, name) else None
    return math.nan if value is None else value


def _chart(
    name: str,
    title: str,
    unit: str,
    bins: Sequence[Bin],
    lines: Sequence[tuple[str, bool, list[float]]],
    limit: float | None,
    axis: TimeAxis,
) -> Markup:
    """Draw lines over time against their limit; a line breaks where nothing was measured."""
    moments = [one.at for one in bins]

    def paint(axes: Axes) -> None:
        for colour, dashed, values in lines:
            alone = sum(not math.isnan(value) for value in values) == 1
            style = (0, (4, 2)) if dashed else "-"
            axes.plot(moments, values, color=STAND_IN[colour], linestyle=style, marker="." if alone else "")  # type: ignore[arg-type]
        axes.set_ylabel(unit)
        if limit is not None:
            _limit(axes, limit, f"limit {limit:g} {unit}")
        _fit(axes, [value for _, _, values in lines for value in values], limit)
        axis.paint(axes)

    return draw(name, f"{title} over time by variant", HALF, paint)


def _fit(axes: Axes, values: Sequence[float], limit: float | None) -> None:
    """Show everything, the limit included; from zero on, unless that would flatten the lines."""
    known = [value for value in values if not math.isnan(value)] + ([] if limit is None else [limit])
    if not known:
        return
    low, high = min(known), max(known)
    pad = 0.12 * (high - low) or 0.1 * abs(high) or 1.0
    bottom = -0.02 * high if 0 <= low <= high / 2 else low - pad  # a line at zero is still seen whole
    axes.set_ylim(bottom, high + pad)


def evidence(name: str, course: Course, axis: TimeAxis) -> Markup:
    """Draw how far the evidence of harm and the proof of harmlessness are on their ways to their thresholds."""
    looks = _every(course.looks)
    harm = [(at, _share(one.log_e_rollback, one.log_threshold_rollback)) for at, one in looks]
    proof = [(at, _share(one.log_e_promote, one.log_threshold_promote)) for at, one in looks]

    def paint(axes: Axes) -> None:
        for line, colour, starts_anew in ((harm, "bad", False), (proof, "good", True)):
            if colour == "good" and not course.guardrail.proves:
                continue
            x, y = _broken(line, axis if starts_anew else None)
            axes.plot(x, y, color=STAND_IN[colour], marker="." if len(x) == 1 else "")  # type: ignore[arg-type]
        axes.axhline(0, color=STAND_IN["muted"], linewidth=0.8)
        _limit(axes, 1.0, "enough", colour="ink")
        axes.set_ylim(-1, _HIGHEST)
        axes.set_yticks([-1, 0, 1, 2])
        axes.set_ylabel("evidence ÷ threshold")
        axis.paint(axes)

    return draw(name, f"Evidence about {course.guardrail.metric} over time, as a share of its threshold", HALF, paint)


def _share(log_e: float | None, threshold: float) -> float:
    """Return evidence as a share of its threshold; what leaves the picture leaves it at once, however far it goes."""
    return math.nan if log_e is None or not threshold else min(max(log_e / threshold, -1.5), _HIGHEST + 0.5)


def interval(name: str, course: Course, axis: TimeAxis) -> Markup:
    """Draw the confidence sequence closing in on the metric, beside what it is held to."""
    kind = course.interval_of  # asked once: it counts all looks
    looks = [(at, one) for at, one in _every(course.looks) if one.interval_of == kind]
    unit, difference = looks[-1][1].unit, kind == "difference"
    x, middle = _broken([(at, _in_unit(_middle(one), unit)) for at, one in looks], axis)
    _, low = _broken([(at, _in_unit(one.low, unit)) for at, one in looks], axis)
    _, high = _broken([(at, _in_unit(one.high, unit)) for at, one in looks], axis)
    held_to = _held_to(course.guardrail, unit, difference=difference)
    bottom, top = _view(middle, low, high, [value for value, _ in held_to])

    def paint(axes: Axes) -> None:
        colour = STAND_IN["candidate"]
        below = [bottom - 1 if math.isnan(value) else value for value in low]
        above = [top + 1 if math.isnan(value) else value for value in high]
        known = [not math.isnan(value) for value in middle]
        axes.fill_between(x, below, above, where=known, color=colour, alpha=0.22, linewidth=0)  # type: ignore[arg-type]
        axes.plot(x, middle, color=colour, marker="." if len(x) == 1 else "")  # type: ignore[arg-type]
        for value, label in held_to:
            _limit(axes, value, label)
        if difference:
            axes.axhline(0, color=STAND_IN["muted"], linewidth=0.8)
        axes.set_ylim(bottom, top)
        axes.set_ylabel({"share": "points" if difference else "%"}.get(unit, unit))
        axis.paint(axes)

    return draw(name, f"Confidence sequence of {course.guardrail.metric} over time", HALF, paint)


def _in_unit(value: float | None, unit: Unit) -> float:
    return math.nan if value is None else scaled(value, unit)


def _middle(one: MetricVerdict) -> float | None:
    """Return what the interval of a look is about."""
    if one.candidate is None or one.interval_of == "candidate":
        return one.candidate
    return None if one.stable is None else one.candidate - one.stable


def _held_to(guardrail: Guardrail, unit: Unit, *, difference: bool) -> list[tuple[float, str]]:
    if not difference:
        limit = guardrail.limit
        return [] if limit is None else [(scaled(limit, unit), f"limit {quantity(limit, unit)}")]
    if guardrail.margin is None:
        return []
    harmful = guardrail.margin if guardrail.direction == "lower_is_better" else -guardrail.margin
    return [(scaled(harmful, unit), f"margin {gap(harmful, unit, sign=True)}")]


def _broken(line: Sequence[tuple[datetime, float]], axis: TimeAxis | None) -> tuple[list[datetime], list[float]]:
    """Return coordinates, with a gap where a stage begins if `axis` is given."""
    x: list[datetime] = []
    y: list[float] = []
    for at, value in line:
        if axis and x and axis.breaks(x[-1], at):
            x.append(at)
            y.append(math.nan)
        x.append(at)
        y.append(value)
    return x, y


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


def forest(rows: Sequence[MetricRow]) -> Markup | None:
    """Draw the improvement in percent of each row with its interval and margin; None when none has one.

    Everything is drawn whole: where one interval is far longer than the others, the scale is logarithmic further out.
    """
    drawn = [
        (row, row.improvement, row.improvement_low, row.improvement_high)
        for row in rows
        if row.improvement is not None and row.improvement_low is not None and row.improvement_high is not None
    ]
    if not drawn:
        return None
    reach = [max(abs(low), abs(high), abs(middle)) for _, middle, low, high in drawn]
    edge, usual = max(reach) or 1.0, statistics.median(reach)

    def paint(axes: Axes) -> None:
        axes.grid(visible=False)
        axes.axvline(0, color=STAND_IN["muted"], linewidth=1)
        for place, (row, middle, low, high) in enumerate(drawn):
            colour = STAND_IN[{"better": "good", "worse": "bad", "undecided": "ink"}[row.effect]]
            axes.plot([low, high], [place, place], color=colour, linewidth=2)
            axes.plot([middle], [place], marker="s", markersize=6, color=colour)
            if (margin := margin_percent(row)) is not None and margin <= edge:
                axes.plot([-margin] * 2, [place - 0.3, place + 0.3], color=STAND_IN["warning"], linewidth=1.4)
        axes.set_yticks(range(len(drawn)), [plain(f"{row_name(row)}: {row.variant}") for row, *_ in drawn])
        axes.tick_params(axis="y", labelcolor=STAND_IN["ink"])
        axes.set_ylim(len(drawn) - 0.4, -0.6)
        label = "improvement over control in %, with its interval"
        if usual and edge > _FAR * usual:
            axes.set_xscale("symlog", linthresh=usual, linscale=2)
            axes.xaxis.set_major_formatter("{x:g}")
            label += f"; logarithmic beyond {usual:.0f} %"
        axes.set_xlim(-1.15 * edge, 1.15 * edge)
        axes.set_xlabel(label)

    return draw("forest", "Improvement over control with intervals", (960, 90 + 30 * len(drawn)), paint)


def row_name(row: MetricRow) -> str:
    """Return a row as people call it; what was measured on the same units says so."""
    return row.name + (" (same units)" if row.paired else "")


def margin_percent(row: MetricRow) -> float | None:
    """Return the margin a row is held to, in percent of the control; None where there is none or the control is 0."""
    if row.proof is None or row.proof.of != "margin" or not row.control.estimate:
        return None
    return 100 * row.proof.held_to / abs(row.control.estimate)


def _limit(axes: Axes, value: float, label: str, colour: str = "limit") -> None:
    axes.axhline(value, color=STAND_IN[colour], linewidth=1.2, linestyle=(0, (5, 3)))
    axes.annotate(
        plain(label),
        (0.995, value),
        xycoords=axes.get_yaxis_transform(),
        xytext=(0, 3 if value >= 0 else -3),
        textcoords="offset points",
        ha="right",
        va="bottom" if value >= 0 else "top",
        color=STAND_IN[colour],
        fontsize=10,
    )


def _every(looks: Sequence[tuple[datetime, MetricVerdict]]) -> list[tuple[datetime, MetricVerdict]]:
    """Keep looks at even distances, and the last: what they show moves slowly."""
    each = math.ceil(len(looks) / _MOST_LOOKS)
    return [*looks[:-1:each], looks[-1]]
