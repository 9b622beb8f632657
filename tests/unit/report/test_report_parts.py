"""The report's values, words, colours, axes and drawings, each by itself."""

# ruff: noqa: E501 - sample data stands on one line

from datetime import UTC, datetime, timedelta

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from pydantic import ValidationError

from firstflight.analysis.status import Status
from firstflight.comparison.compare import Arm, MetricRow, Proof
from firstflight.observation.history import Activity, Bin
from firstflight.report import plots
from firstflight.report.data import Link, Stage, Variant
from firstflight.report.markdown import to_html
from firstflight.report.palette import STAND_IN, meanings
from firstflight.report.times import TimeAxis

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    """The moment `seconds` after noon."""
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "file:///etc/passwd", "//example.org", 'http://a"b', "http://a b"]
)
def test_only_web_pages_can_be_linked(url: str) -> None:
    """A link cannot run anything or open a file."""
    with pytest.raises(ValidationError):
        Link(label="x", url=url)


def test_roles_choose_colours_and_names_keep_them() -> None:
    """Stable and candidate look the same in every report; others take what is left, and nobody shares a role's colour."""
    variants = [
        Variant(name="s", role="stable"),
        Variant(name="c", role="candidate"),
        Variant(name="c2", role="candidate"),
    ]
    chosen = meanings(variants, ["x", "s", "y"])
    assert {"s": "stable", "c": "candidate", "c2": "variant-1", "x": "variant-2", "y": "variant-3"} == chosen
    assert set(chosen.values()) <= set(STAND_IN)
    assert len(set(STAND_IN.values())) == len(STAND_IN)


@pytest.mark.parametrize("span", [1, 20, 74, 122, 456, 3600, 86_400, 40 * 86_400, 4000 * 86_400])
def test_every_span_has_some_ticks(span: int) -> None:
    """From a second to ten years, an axis has a few moments and never a crowd."""
    axes = Figure().add_subplot()
    TimeAxis(NOON, after(span), ()).paint(axes)
    assert 2 <= len(axes.get_xticks()) <= 8


def test_a_stage_breaks_what_is_known_of_stages() -> None:
    """A boundary lies between the look before a stage and the first look in it."""
    axis = TimeAxis(NOON, after(60), [Stage(label="10 %", since=after(30), until=after(60))])
    assert (False, True, False) == (
        axis.breaks(NOON, after(29)),
        axis.breaks(after(29), after(30)),
        axis.breaks(after(30), after(31)),
    )


def bins(*requests: int | None) -> list[Bin]:
    """Bins of two seconds in which `a` answered so many requests; None: it is not named."""
    return [
        Bin(after(2 * place), 2.0, {} if count is None else {"a": Activity(count, 0, 1.0, 2.0, shadow=False)})
        for place, count in enumerate(requests)
    ]


def test_a_line_breaks_where_nothing_was_measured() -> None:
    """Between two measurements with an absence in the middle, nothing is drawn."""
    drawn = plots.errors(bins(1, 2, None, 3, 4), {"a": "stable"}, None, TimeAxis(NOON, after(10), ()))
    [path] = [part for part in str(drawn).split("<path") if "var(--stable)" in part]
    assert 2 == path.split("style")[0].count("M ")


def test_what_a_shadow_answered_went_to_nobody() -> None:
    """A mirrored request is no traffic of the route."""
    mirrored = Bin(NOON, 2.0, {"a": Activity(7, 0, 1.0, 2.0, shadow=True)})
    assert [0, 0, 5] == [plots.served(mirrored, "a"), plots.served(mirrored, "b"), plots.served(bins(5)[0], "a")]


def row(metric: str, *improvement: float | None, **values: object) -> MetricRow:
    """A row with an improvement and its interval."""
    arm = Arm(served_name="b-v1", variant="baseline", n=10, estimate=0.5)
    middle, low, high = improvement
    base = {
        "variant": "light", "metric": metric, "direction": "higher_is_better", "control": arm, "treatment": arm,
        "status": Status.OK, "improvement": middle, "improvement_low": low, "improvement_high": high,
    }  # fmt: skip
    return MetricRow.model_validate({**base, **values})


def painted(monkeypatch: pytest.MonkeyPatch, rows: list[MetricRow]) -> Axes:
    """Return the axes of a forest plot instead of its SVG."""
    axes = Figure().add_subplot()
    monkeypatch.setattr(plots, "draw", lambda _name, _title, _size, paint: paint(axes))
    plots.forest(rows)
    return axes


def test_a_comparison_without_percentages_has_no_forest() -> None:
    """An improvement over a mean of zero cannot be drawn in percent."""
    assert plots.forest([row("m", None, None, None)]) is None
    assert plots.forest([row("m", 0.0, 0.0, 0.0)]) is not None


def test_no_effect_is_clipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """One interval far longer than the others is drawn whole, on a scale that is logarithmic further out."""
    axes = painted(monkeypatch, [row("a", 1, -2, 3), row("b", 0, -1, 1), row("profit", 14.1, -69.7, 187)])
    left, right = axes.get_xlim()
    drawn = [float(x) for line in axes.get_lines() for x in line.get_xdata()]
    assert (min(drawn), max(drawn)) == (-69.7, 187)
    assert left < -69.7
    assert right > 187
    assert "symlog" == axes.get_xscale()
    assert "linear" == painted(monkeypatch, [row("a", 1, -2, 3), row("b", 0, -1, 1)]).get_xscale()


def test_a_margin_is_drawn_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five points of an accuracy of 50 % are a margin of 10 % on the plot, whichever way is better."""
    held = row("accuracy", -1, -12, 10, proof=Proof(of="margin", held_to=0.05, bound=0.02, shown=True))
    assert pytest.approx(10) == plots.margin_percent(held)
    assert plots.margin_percent(row("profit", -1, -12, 10)) is None
    marks = [line for line in painted(monkeypatch, [held]).get_lines() if line.get_color() == STAND_IN["warning"]]
    assert [[pytest.approx(-10)] * 2] == [list(line.get_xdata()) for line in marks]


def test_headings_of_a_card_stand_below_the_page_s() -> None:
    """A card's title does not compete with the report's."""
    html = to_html("# One\n\n###### Six\n\n| a |\n|--|\n| b |", below=3)
    assert "<h4>One</h4>" in html
    assert "<h6>Six</h6>" in html
    assert "<table>" in html
