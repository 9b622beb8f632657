"""The whole page: self-contained, well formed, escaped, the reader first, written safely."""

# ruff: noqa: E501 - sample data stands on one line

import json
import os
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstflight.domain.samples import NoData
from firstflight.report.data import (
    Approval,
    Arm,
    ArmShare,
    Chart,
    Comparison,
    Event,
    Fact,
    Figure,
    GuardrailCourse,
    GuardrailLook,
    Line,
    Link,
    MetricRow,
    ModelCard,
    Notice,
    Point,
    Recommendation,
    ReportData,
    SampleRatio,
    Stage,
    StageDecision,
    TrafficBin,
    Variant,
)
from firstflight.report.page import render, write_report

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
VOID = {"meta", "br"}


class Reader(HTMLParser):
    """Reads a page as a browser would, and notes what a test wants to know."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.ids: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert [] == self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag and what it carries."""
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Every element ends where it should."""
        assert tag == self._open.pop()

    def handle_data(self, data: str) -> None:
        """Gather the text, the style sheet left out."""
        if "style" not in self._open:
            self.text += data


def everywhere(text: str) -> ReportData:
    """A report that holds `text` wherever a person or another system may have put words."""
    later = NOON + timedelta(seconds=60)
    arm = Arm(variant=text, n=10, mean=1.0)
    points = (Point(at=NOON, value=1.0), Point(at=later, value=2.0))
    look = GuardrailLook(at=NOON, value=1.0, low=0.5, high=2.0, log_e_rollback=0.1, log_e_promote=0.2)
    return ReportData(
        title=text,
        model=text,
        outcome="compared",
        summary=text,
        reasons=(text,),
        started_at=NOON,
        ended_at=later,
        written_at=later,
        figures=(Figure(label=text, value=text, note=text),),
        links=(Link(label=text, url="http://127.0.0.1:4200/?a=1&b=2"),),
        variants=(Variant(name=text, role="candidate"),),
        stages=(Stage(label=text[:24], since=NOON, until=later),),
        timeline=(Event(at=NOON, what=text, actor=text, detail=text),),
        traffic=(TrafficBin(at=NOON, seconds=60, requests={text: 5}),),
        charts=(Chart(title=text, unit=text, lines=(Line(variant=text, label=text, points=points),), limit=1, note=text),),
        guardrails=(
            GuardrailCourse(
                metric=text, unit=text, interval_of="candidate", limit=1, status=text, looks=(look,), note=text
            ),
        ),
        recommendation=Recommendation(headline=text, reasons=(text,)),
        comparisons=(
            Comparison(
                metric=text, unit=text, control=arm, treatment=arm, difference=0, difference_low=-1, difference_high=1,
                improvement=0, improvement_low=-1, improvement_high=1,
            ),
        ),
        sample_ratio=SampleRatio(ok=True, sentence=text, arms=(ArmShare(variant=text, expected=1, observed=0),)),
        decisions=(
            StageDecision(
                stage=text, at=NOON, verdict="PROMOTE", checks=1, reasons=(text,),
                metrics=(MetricRow(metric=text, stable=text, candidate=text, interval=text, held_to=text, status=text),),
            ),
        ),
        approvals=(Approval(stage=text, asked_at=NOON, answered_at=later, approver=text, decision="reject", comment=text),),
        model_cards=(ModelCard(title=text, markdown="x"),),
        notices=(Notice(at=NOON, kind=text, text=text, delivered=False, where=text, reason=text),),
        provenance=(Fact(label=text, value=text),),
        plan={text: [text]},
    )  # fmt: skip


@pytest.fixture(scope="module")
def promoted_page(promoted: ReportData) -> str:
    """The promoted report as HTML."""
    return render(promoted)


@pytest.fixture(scope="module")
def rolled_back_page(rolled_back: ReportData) -> str:
    """The rolled-back report as HTML."""
    return render(rolled_back)


@pytest.mark.parametrize("which", ["promoted_page", "rolled_back_page"])
def test_the_page_needs_nothing_and_runs_nothing(request: pytest.FixtureRequest, which: str) -> None:
    """No script, no picture or style from elsewhere; whatever is linked is a web page or a place in the page."""
    page = request.getfixturevalue(which)
    read = Reader(page)
    assert not {"script", "img", "link", "iframe", "object", "embed", "form", "base", "image"} & set(read.tags)
    assert not [
        name for _, name, _ in read.attributes if name.startswith("on") or name in {"src", "srcset", "xlink:href"}
    ]
    for tag, name, value in read.attributes:
        if name == "href":
            assert value.startswith("#" if tag == "use" else ("#", "http://", "https://"))
    assert set(re.findall(r"url\((.)", page)) <= {"#"}
    assert "@import" not in page
    assert ("meta", "content", "default-src 'none'; style-src 'unsafe-inline'") in read.attributes


@pytest.mark.parametrize("which", ["promoted_page", "rolled_back_page"])
def test_every_reference_in_the_page_arrives(request: pytest.FixtureRequest, which: str) -> None:
    """Ids are unique over all drawings, and what refers to one finds it."""
    page = request.getfixturevalue(which)
    read = Reader(page)
    assert [] == [name for name, count in Counter(read.ids).items() if count > 1]
    wanted = {value[1:] for _, name, value in read.attributes if name == "href" and value.startswith("#")}
    wanted |= set(re.findall(r"url\(#(.*?)\)", page))
    assert wanted <= set(read.ids)


def test_both_reports_are_small(promoted_page: str, rolled_back_page: str) -> None:
    """A report goes by mail."""
    assert len(promoted_page.encode()) < 400_000
    assert len(rolled_back_page.encode()) < 400_000


@pytest.mark.parametrize("which", ["promoted", "rolled_back"])
def test_the_top_says_what_happened_why_and_what_it_cost(request: pytest.FixtureRequest, which: str) -> None:
    """Outcome, summary, reasons and figures stand before the first section."""
    data: ReportData = request.getfixturevalue(which)
    top = request.getfixturevalue(f"{which}_page").split("<h2")[0]
    text = Reader(top + "</main></body></html>").text
    assert data.outcome.capitalize() in text
    for part in (data.title, data.summary, *data.reasons, *(figure.value for figure in data.figures)):
        assert part in text


def test_every_section_shows_what_it_was_given(promoted: ReportData, promoted_page: str) -> None:
    """Names, sentences and numbers of each section are on the page, in text or in a drawing."""
    text = Reader(promoted_page).text
    for part in (
        "lightweight-predictor-v3: 6,", "requests per second", "limit 200 ms", "margin −5 %", "enough", "10 %",
        "4,804 requests were divided as planned", "Try lightweight", "+38.2 to +39.8 %", "accuracy: enhanced-predictor-v2",
        "“Latency looks right; go.”", "after 19 s", "no Slack token configured", "majority class", "7e6aaf4",
    ):  # fmt: skip
        assert part in text
    assert json.loads(text[text.index('{\n  "model"') : text.rindex("}") + 1]) == promoted.plan


def test_an_absent_section_says_why(rolled_back_page: str) -> None:
    """What is not there has a reason, that of whoever assembled the report or the page's own."""
    text = Reader(rolled_back_page).text
    for reason in (
        "The rollout ended before the first stage that a person approves (50 %).",
        "This rollout is a canary; the A/B test before it has a report of its own.",
        "The registry held no model card.",
        "No plan was handed to this report.",
    ):
        assert reason in text


def test_a_report_of_nothing_is_still_a_page() -> None:
    """A rollout refused before it began shows one reason for each missing section."""
    data = ReportData(
        title="Refused", model="m", outcome="refused", summary="The gate refused it.", started_at=NOON, written_at=NOON
    )
    text = Reader(render(data)).text
    for name in ReportData.model_fields:
        section = getattr(data, name)
        if isinstance(section, NoData):
            assert section.reason in text
    assert "not ended when this was written" in text


def test_traffic_without_a_request_is_said_to_be_so() -> None:
    """Bins that hold nothing are neither a plot nor an error."""
    data = ReportData(
        title="t", model="m", outcome="in progress", summary="s", started_at=NOON, written_at=NOON,
        traffic=(TrafficBin(at=NOON, seconds=1, requests={"a": 0}),),
        charts=(Chart(title="Latency", lines=(Line(variant="a", points=(Point(at=NOON, value=None),)),)),),
    )  # fmt: skip
    assert "Time passed, but not one request was answered." in Reader(render(data)).text


@pytest.fixture(scope="module")
def harmless() -> Reader:
    """The page that holds a plain letter everywhere."""
    return Reader(render(everywhere("x")))


@settings(max_examples=6, deadline=None)
@given(text=st.text(min_size=1, max_size=60).map(lambda text: "<b>'\"&amp;" + text + "</td><script>$x^2$"))
def test_no_text_becomes_markup(harmless: Reader, text: str) -> None:
    """Hostile words change no tag and no attribute's name, and are read as they were written."""
    hostile = Reader(render(everywhere(text)))
    assert Counter(harmless.tags) == Counter(hostile.tags)
    assert Counter(name for _, name, _ in harmless.attributes) == Counter(name for _, name, _ in hostile.attributes)
    assert hostile.text.count(text) >= 30


def test_hostile_words_in_a_model_card_stay_words() -> None:
    """A card may format its text and link to the web; it cannot bring tags, scripts or pictures."""
    card = "<script>alert(1)</script>\n\n[a](javascript:alert(1)) ![p](https://example.org/p.png) <img src=x onerror=y>\n\n[f](file:///etc/passwd)"
    data = everywhere("x").model_copy(update={"model_cards": (ModelCard(title="t", markdown=card),)})
    read = Reader(render(data))
    assert not {"script", "img"} & set(read.tags)
    assert not [value for _, name, value in read.attributes if name == "href" and value.startswith(("java", "file"))]
    assert "<script>alert(1)</script>" in read.text


def test_the_same_data_gives_the_same_page(rolled_back: ReportData, rolled_back_page: str) -> None:
    """Nothing random and no clock is in the page, and data that went through JSON is the same data."""
    assert rolled_back_page == render(ReportData.model_validate_json(rolled_back.model_dump_json()))


def test_a_day_long_rollout_stays_small() -> None:
    """Thousands of checks, bins and records are thinned to a page under 1.5 MB that keeps every peak."""
    looks = 2880
    moments = [NOON + timedelta(seconds=30 * count) for count in range(looks)]
    values = [100.0 + 37 * ((count * 7919) % 101) / 101 for count in range(looks)]
    values[1234] = 5000.0
    line = [
        Line(variant=name, points=tuple(map(lambda at, value: Point(at=at, value=value), moments, values)))
        for name in "abcd"
    ]
    course = GuardrailCourse(
        metric="latency", interval_of="candidate", status="undecided", log_threshold_rollback=4, log_threshold_promote=3,
        looks=tuple(
            GuardrailLook(at=at, value=value, low=0, high=300, log_e_rollback=value / 100, log_e_promote=value / 90)
            for at, value in zip(moments, values, strict=True)
        ),
    )  # fmt: skip
    data = ReportData(
        title="t", model="m", outcome="promoted", summary="s", started_at=NOON, written_at=moments[-1],
        timeline=tuple(Event(at=at, what="check", actor="run", detail="all is well " * 8) for at in moments),
        traffic=tuple(TrafficBin(at=at, seconds=30, requests={"a": 100, "b": count}) for count, at in enumerate(moments)),
        charts=tuple(Chart(title=title, lines=tuple(line)) for title in ("Latency", "Errors", "Accuracy")),
        guardrails=tuple(course.model_copy(update={"metric": name}) for name in ("a", "b", "c", "d")),
    )  # fmt: skip
    page = render(data)
    assert len(page.encode()) < 1_500_000
    text = Reader(page).text
    assert "2480 records are not shown here; the ledger has them." in text
    assert "5000" in text


def test_the_file_is_private_whole_and_replaced_at_once(
    tmp_path: Path, rolled_back: ReportData, rolled_back_page: str
) -> None:
    """Whatever the umask, the owner alone reads the file; a second report replaces the first; nothing else is left."""
    path = tmp_path / "reports" / "r.html"
    before = os.umask(0)
    try:
        assert path == write_report(everywhere("x"), path)
        assert path == write_report(rolled_back, path)
    finally:
        os.umask(before)
    assert rolled_back_page == path.read_text("utf-8")
    assert 0o600 == path.stat().st_mode & 0o777
    assert 0o700 == path.parent.stat().st_mode & 0o777
    assert [path] == list(path.parent.iterdir())


def test_a_report_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, rolled_back: ReportData) -> None:
    """A failure on the way changes nothing."""
    path = tmp_path / "r.html"
    path.write_text("old")
    broken = rolled_back.model_copy(update={"figures": (None,)})
    with pytest.raises(Exception, match="None"):
        write_report(broken, path)
    assert "old" == path.read_text()
    assert [path] == list(tmp_path.iterdir())
