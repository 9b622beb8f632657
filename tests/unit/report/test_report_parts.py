"""The report's values, words, colours, axes and drawings, each by itself."""

# ruff: noqa: E501 - sample data stands on one line

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from firstflight.decision.decide import Decision, MetricVerdict, Verdict
from firstflight.domain.plans import Guardrail
from firstflight.domain.samples import NoData
from firstflight.report import plots
from firstflight.report.courses import guardrail_courses
from firstflight.report.data import Arm, Chart, Comparison, Line, Link, Point, ReportData, Stage, TrafficBin, Variant
from firstflight.report.markdown import to_html
from firstflight.report.palette import STAND_IN, meanings
from firstflight.report.times import TimeAxis

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    """The moment `seconds` after noon."""
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "section", ["timeline", "traffic", "charts", "guardrails", "decisions", "approvals", "notices"]
)
def test_an_empty_section_is_refused(section: str) -> None:
    """Nothing must be said to be nothing, with its reason."""
    values = {"title": "t", "model": "m", "outcome": "promoted", "summary": "s", "started_at": NOON, "written_at": NOON}
    with pytest.raises(ValidationError):
        ReportData.model_validate({**values, section: ()})
    assert ReportData.model_validate({**values, section: NoData(reason="none kept")})


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


@pytest.mark.parametrize("span", [1, 20, 74, 456, 3600, 86_400, 40 * 86_400, 4000 * 86_400])
def test_every_span_has_some_ticks(span: int) -> None:
    """From a second to ten years, an axis has a few round moments and never a crowd."""
    ticks = TimeAxis(NOON, after(span), ())._ticks(5)
    assert 1 <= len(ticks) <= 6
    labels = [label for _, label in ticks]
    assert len(labels) == len(set(labels))


def test_a_stage_breaks_what_is_known_of_stages() -> None:
    """A boundary lies between the look before a stage and the first look in it."""
    axis = TimeAxis(NOON, after(60), [Stage(label="10 %", since=after(30), until=after(60))])
    assert (False, True, False) == (
        axis.breaks(NOON, after(29)),
        axis.breaks(after(29), after(30)),
        axis.breaks(after(30), after(31)),
    )


def test_a_line_breaks_where_nothing_was_measured() -> None:
    """Between two measurements with an absence in the middle, nothing is drawn."""
    values = [1.0, 2.0, None, 3.0, 4.0]
    line = Line(variant="a", points=tuple(Point(at=after(place), value=value) for place, value in enumerate(values)))
    drawn = plots.chart("x", Chart(title="t", lines=(line,)), {"a": "stable"}, TimeAxis(NOON, after(5), ()))
    [path] = [part for part in str(drawn).split("<path") if "var(--stable)" in part]
    assert 2 == path.split("style")[0].count("M ")


def test_bars_fall_to_zero_where_no_bin_is() -> None:
    """A gap between bins is a time without requests counted, not a bridge between its neighbours."""
    bins = [
        TrafficBin(at=after(0), seconds=2, requests={"a": 4}),
        TrafficBin(at=after(10), seconds=2, requests={"a": 8}),
    ]
    x, [heights] = plots._steps(bins, ("a",))
    assert [0, 2, 2, 10, 10, 12] == [moment - NOON.timestamp() for moment in x]
    assert [2, 2, 0, 0, 4, 4] == heights


def test_merged_bins_lose_no_request() -> None:
    """Joining neighbours keeps the sum of requests and the whole span."""
    bins = [TrafficBin(at=after(2 * place), seconds=2, requests={"a": place}) for place in range(1001)]
    merged = plots._merged(bins)
    assert len(merged) <= 400
    assert sum(range(1001)) == sum(one.requests["a"] for one in merged)
    assert after(2002) == merged[-1].at + timedelta(seconds=merged[-1].seconds)


def test_a_comparison_without_percentages_has_no_forest() -> None:
    """An improvement over a mean of zero cannot be drawn in percent."""
    arm = Arm(variant="a", n=3, mean=0)
    one = Comparison(metric="m", control=arm, treatment=arm, difference=0, difference_low=-1, difference_high=1)
    assert plots.forest([one]) is None
    certain = one.model_copy(update={"improvement": 0.0, "improvement_low": 0.0, "improvement_high": 0.0})
    assert plots.forest([certain]) is not None


def test_headings_of_a_card_stand_below_the_page_s() -> None:
    """A card's title does not compete with the report's."""
    html = to_html("# One\n\n###### Six\n\n| a |\n|--|\n| b |", below=3)
    assert "<h4>One</h4>" in html
    assert "<h6>Six</h6>" in html
    assert "<table>" in html


def verdict(metric: str, **values: object) -> MetricVerdict:
    """What a check says of `metric`."""
    base = {"metric": metric, "status": "undecided", "log_threshold_rollback": 4.0, "log_threshold_promote": 3.0}
    return MetricVerdict.model_validate({**base, **values})


def test_courses_follow_the_checks() -> None:
    """Each guardrail's looks come in order, in percent where the metric is a share, with what the last check said."""
    decisions = [
        Decision(
            verdict=Verdict.CONTINUE,
            reasons=(),
            at=after(place),
            metrics=(
                verdict("accuracy", unit="share", interval_of="difference", stable=0.5, candidate=0.5 - place / 100, low=-0.2, margin=0.05),
                verdict("latency", unit="ms", quantile=0.95, candidate=60.0, high=90.0, limit=200.0, log_e_rollback=float(place)),
            ),
        )
        for place in (1, 2)
    ]  # fmt: skip
    guardrails = (
        Guardrail(metric="latency", limit=200.0, quantile=0.95),
        Guardrail(metric="accuracy", direction="higher_is_better", margin=0.05, proves=False),
        Guardrail(metric="profit", direction="higher_is_better", proves=False),
    )
    courses = guardrail_courses(decisions, guardrails)
    assert not isinstance(courses, NoData)
    latency, accuracy = courses
    assert ("latency p95", "ms", 200.0) == (latency.metric, latency.unit, latency.limit)
    assert [1.0, 2.0] == [look.log_e_rollback for look in latency.looks]
    assert [(60.0, None, 90.0)] * 2 == [(look.value, look.low, look.high) for look in latency.looks]
    assert ("accuracy", "%", 5.0, None) == (
        accuracy.metric,
        accuracy.unit,
        accuracy.margin,
        accuracy.log_threshold_promote,
    )
    assert [pytest.approx(-1), pytest.approx(-2)] == [look.value for look in accuracy.looks]
    assert [-20.0, -20.0] == [look.low for look in accuracy.looks]


def test_no_check_is_no_course() -> None:
    """Without checks, or with checks that saw nothing, the section says so."""
    assert isinstance(guardrail_courses([], ()), NoData)
    assert isinstance(guardrail_courses([Decision(verdict=Verdict.CONTINUE, reasons=())], ()), NoData)
