"""The page: one HTML file that needs nothing else, now or in ten years."""

import functools
import json
from collections.abc import Sequence
from datetime import UTC, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from firstflight.comparison.compare import Comparison
from firstflight.comparison.recommendation import proof_words
from firstflight.decision.reasons import ends, meaning, ratio_words
from firstflight.domain.samples import NoData
from firstflight.domain.wording import duration, gap, metric_name, odds, p_words, quantity, signed, span
from firstflight.report import markdown, plots
from firstflight.report.data import Approval, Event, ReportData
from firstflight.report.palette import meanings, variable
from firstflight.report.times import TimeAxis
from firstflight.supervision.files import replace

_MOST_EVENTS = 400


def render(data: ReportData) -> str:
    """Return the report as HTML. The same data gives the same text."""
    style = Markup(resources.files("firstflight.report").joinpath("page.css").read_text("utf-8"))  # noqa: S704 - ours
    return _template().render(data=data, style=style, **_drawn(data))


@functools.cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("firstflight.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for said in (signed, quantity, gap, span, odds, metric_name, p_words, duration):
        environment.filters[said.__name__] = said
    for told in (meaning, ends, ratio_words, proof_words, plots.row_name, variable):
        environment.filters[told.__name__] = told
    environment.filters |= {
        "clock": lambda at: f"{at.astimezone(UTC):%H:%M:%S}",
        "day": lambda at: f"{at.astimezone(UTC):%-d %B %Y}",
        "json": lambda value: json.dumps(value, indent=2, ensure_ascii=False),
        "markdown": lambda text: markdown.to_html(text, below=3),
    }
    environment.tests["absent"] = lambda section: isinstance(section, NoData)
    return environment.get_template("page.html.j2")


def write_report(data: ReportData, path: Path) -> Path:
    """Write the report to `path`, whole or not at all, readable by its owner alone, and return `path`."""
    replace(path, render(data))
    return path


def _drawn(data: ReportData) -> dict[str, Any]:
    """Return what the template shows beside the data itself: drawings, colours, and a timeline of bearable length."""
    requests = {
        name: count
        for name in dict.fromkeys(name for one in data.bins for name in one.models)
        if (count := sum(plots.served(one, name) for one in data.bins))
    }
    chosen = meanings(data.variants, requests)
    colours = {name: chosen[name] for name in chosen if name in requests}
    axis, bins = _axis(data), data.bins
    limits = {guardrail.metric: guardrail.limit for guardrail in data.guardrails}
    courses = data.courses if isinstance(data.courses, tuple) else ()
    rows = data.comparison.rows if isinstance(data.comparison, Comparison) else ()
    events, left_out = _shortened(data.timeline)
    return {
        "colours": colours,
        "requests": requests,
        "traffic_plot": plots.traffic(bins, colours, axis) if colours else None,
        "latency_plot": plots.latency(bins, colours, limits.get("latency"), axis) if colours else None,
        "errors_plot": plots.errors(bins, colours, limits.get("error_rate"), axis) if colours else None,
        "course_plots": [
            (plots.evidence(f"evidence{place}", course, axis), plots.interval(f"interval{place}", course, axis))
            for place, course in enumerate(courses)
        ],
        "forest_plot": plots.forest(rows),
        "has_margin": any(plots.margin_percent(row) for row in rows),
        "not_drawn": sorted({row.name for row in rows if row.improvement_low is None or row.improvement_high is None}),
        "question": _question(data),
        "events": events,
        "events_left_out": left_out,
    }


def _question(data: ReportData) -> Approval | None:
    """Return what people are being asked, None when nobody is."""
    asked = data.approvals if isinstance(data.approvals, tuple) else ()
    return next((one for one in asked if one.decision is None), None)


def _axis(data: ReportData) -> TimeAxis:
    """Return a span that holds everything there is to draw."""
    moments = [data.started_at, *([data.ended_at] if data.ended_at else [])]
    moments += [moment for stage in data.stages for moment in (stage.since, stage.until)]
    moments += [moment for one in data.bins for moment in (one.at, one.at + timedelta(seconds=one.seconds))]
    if isinstance(data.courses, tuple):
        moments += [at for course in data.courses for at, _ in course.looks]
    return TimeAxis(min(moments), max(moments), data.stages)


def _shortened(events: Sequence[Event]) -> tuple[list[Event], int]:
    """Return the first and the last of very many events, and how many were left out between them."""
    if (left_out := len(events) - _MOST_EVENTS) <= 0:
        return list(events), 0
    return [*events[: _MOST_EVENTS // 2], *events[-_MOST_EVENTS // 2 :]], left_out
