"""The page: one HTML file that needs nothing else, now or in ten years."""

import json
from collections.abc import Sequence
from datetime import UTC, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from firstflight.domain import wording
from firstflight.domain.samples import NoData
from firstflight.report import markdown, plots
from firstflight.report.data import Event, ReportData
from firstflight.report.palette import meanings, variable
from firstflight.report.times import TimeAxis
from firstflight.supervision.files import replace

_MOST_EVENTS = 400


def render(data: ReportData) -> str:
    """Return the report as HTML. The same data gives the same text."""
    environment = Environment(
        loader=PackageLoader("firstflight.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": wording.number,
        "signed": wording.signed,
        "p_value": wording.p_value,
        "duration": wording.duration,
        "clock": lambda at: f"{at.astimezone(UTC):%H:%M:%S}",
        "day": lambda at: f"{at.astimezone(UTC):%-d %B %Y}",
        "variable": variable,
        "json": lambda value: json.dumps(value, indent=2, ensure_ascii=False),
        "markdown": lambda text: markdown.to_html(text, below=3),
    }
    environment.tests["absent"] = lambda section: isinstance(section, NoData)
    template = environment.get_template("page.html.j2")
    style = Markup(resources.files("firstflight.report").joinpath("page.css").read_text("utf-8"))  # noqa: S704 - ours
    return template.render(data=data, style=style, **_drawn(data))


def write_report(data: ReportData, path: Path) -> Path:
    """Write the report to `path`, whole or not at all, readable by its owner alone, and return `path`."""
    replace(path, render(data))
    return path


def _drawn(data: ReportData) -> dict[str, Any]:
    """Return what the template shows beside the data itself: drawings, colours, and a timeline of bearable length."""
    colours = meanings(data.variants, _names(data))
    axis = _axis(data)
    bins = () if isinstance(data.traffic, NoData) else data.traffic
    answered = {name: colour for name, colour in colours.items() if any(one.requests.get(name) for one in bins)}
    charts = () if isinstance(data.charts, NoData) else data.charts
    courses = () if isinstance(data.guardrails, NoData) else data.guardrails
    comparisons = () if isinstance(data.comparisons, NoData) else data.comparisons
    events, left_out = _shortened(() if isinstance(data.timeline, NoData) else data.timeline)
    return {
        "colours": colours,
        "answered": answered,
        "requests": {name: sum(one.requests.get(name, 0) for one in bins) for name in answered},
        "traffic_plot": plots.traffic(bins, answered, axis) if answered else None,
        "chart_plots": [plots.chart(f"chart{place}", shown, colours, axis) for place, shown in enumerate(charts)],
        "course_plots": [
            (plots.evidence(f"evidence{place}", course, axis), plots.interval(f"interval{place}", course, axis))
            for place, course in enumerate(courses)
        ],
        "forest_plot": plots.forest(comparisons) if comparisons else None,
        "events": events,
        "events_left_out": left_out,
    }


def _names(data: ReportData) -> list[str]:
    """Return the variants that are drawn, in the order they are met."""
    names = []
    if not isinstance(data.traffic, NoData):
        names += [name for one in data.traffic for name in one.requests]
    if not isinstance(data.charts, NoData):
        names += [line.variant for shown in data.charts for line in shown.lines]
    return list(dict.fromkeys(names))


def _axis(data: ReportData) -> TimeAxis:
    """Return a span that holds everything there is to draw."""
    moments = [data.started_at, *([data.ended_at] if data.ended_at else [])]
    moments += [moment for stage in data.stages for moment in (stage.since, stage.until)]
    if not isinstance(data.traffic, NoData):
        moments += [one.at for one in data.traffic]
        moments += [one.at + timedelta(seconds=one.seconds) for one in data.traffic]
    if not isinstance(data.charts, NoData):
        moments += [point.at for shown in data.charts for line in shown.lines for point in line.points]
    if not isinstance(data.guardrails, NoData):
        moments += [look.at for course in data.guardrails for look in course.looks]
    return TimeAxis(min(moments), max(moments), data.stages)


def _shortened(events: Sequence[Event]) -> tuple[list[Event], int]:
    """Return the first and the last of very many events, and how many were left out between them."""
    if (left_out := len(events) - _MOST_EVENTS) <= 0:
        return list(events), 0
    return [*events[: _MOST_EVENTS // 2], *events[-_MOST_EVENTS // 2 :]], left_out
