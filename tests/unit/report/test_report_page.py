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

from firstflight.analysis.status import Status
from firstflight.comparison.compare import Arm, Comparison, MetricRow, Recommendation, SampleRatioCheck
from firstflight.decision.verdicts import Decision, MetricVerdict, Verdict
from firstflight.domain.plans import RECORDED, Guardrail
from firstflight.domain.samples import NoData
from firstflight.observation.history import Activity, Bin
from firstflight.report.data import (
    Approval,
    Course,
    Event,
    Fact,
    Figure,
    Link,
    ModelCard,
    Notice,
    ReportData,
    Stage,
    StageDecision,
    Variant,
)
from firstflight.report.page import render, write_report
from tests.unit.report.conftest import LOOKS_WHILE_ASKED

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
        self.tables: list[tuple[str, list[str]]] = []
        self.feed(page)
        self.close()
        assert [] == self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag and what it carries."""
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag == "table":
            self.tables.append((dict(attrs).get("class") or "", []))
        if tag == "td":
            self.tables[-1][1].append(dict(attrs).get("data-label") or "")
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Every element ends where it should."""
        assert tag == self._open.pop()

    def handle_data(self, data: str) -> None:
        """Gather the text, the style sheet left out."""
        if "style" not in self._open:
            self.text += data


def verdict(**values: object) -> MetricVerdict:
    """What a check says of a metric."""
    base = {"metric": "error_rate", "status": "undecided", "log_threshold_rollback": 4.38, "log_threshold_promote": 3.0}
    return MetricVerdict.model_validate({**base, **values})


def everywhere(text: str) -> ReportData:
    """A report that holds `text` wherever a person or another system may have put words."""
    later = NOON + timedelta(seconds=60)
    one = verdict(metric=text, candidate=1.0, low=0.5, high=2.0, note=text, log_e_promote=0.2, status="invalid")
    arm = Arm(served_name=text, variant=text, n=10, estimate=1.0)
    row = MetricRow(
        variant=text, metric=text, direction="lower_is_better", control=arm, treatment=arm, status=Status.NO_DATA,
        note=text, improvement=0, improvement_low=-1, improvement_high=1,
    )  # fmt: skip
    return ReportData(
        title=text,
        model=text,
        outcome="in progress",
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
        bins=(Bin(NOON, 60.0, {text: Activity(5, 1, 1.0, 2.0, shadow=False)}),),
        courses=(Course(guardrail=Guardrail.model_validate({"metric": text, "limit": 1}, context=RECORDED), looks=((NOON, one),)),),
        comparison=Comparison(
            control=text, alpha=0.05, practical=0.05, planned_requests=10, assigned_requests=10, rows=(row,),
            sample_ratio=SampleRatioCheck(status=Status.OK, ok=True, p_value=0.5, observed={text: 1}, expected={text: 1}),
            recommendations=(Recommendation(variant=text, verdict="keep control", reasons=(text,)),),
        ),
        decisions=(
            StageDecision(
                stage=text, checks=1, later=text,
                decision=Decision(verdict=Verdict.ROLL_BACK, reasons=(text,), metrics=(one,), at=NOON),
            ),
        ),
        approvals=(
            Approval(stage=text, asked_at=NOON, answer_by=later, answered_at=later, approver=text, decision="reject", comment=text),
            Approval(stage=text, asked_at=NOON, answer_by=later),
        ),
        model_cards=(ModelCard(title=text, markdown="x"),),
        notices=(Notice(at=NOON, kind=text, text=text, delivered=False, where=text, reason=text),),
        provenance=(Fact(label=text, value=text),),
        plan={text: [text]},
    )  # fmt: skip


def just_begun(**values: object) -> ReportData:
    """A rollout of which nothing is known but that it began."""
    base = {
        "title": "t", "model": "m", "outcome": "in progress", "summary": "s", "started_at": NOON, "written_at": NOON,
        "timeline": (Event(at=NOON, what="canary m-r1 started"),), "courses": NoData(reason="No check was made."),
        "comparison": None, "decisions": NoData(reason="No stage was decided."), "approvals": None,
        "model_cards": NoData(reason="The registry could not be read."), "notices": NoData(reason="No message was sent."),
        "provenance": (Fact(label="rollout", value="m-r1"),), "plan": {},
    }  # fmt: skip
    return ReportData.model_validate({**base, **values})


def section(page: str, name: str) -> str:
    """Return the text of one section."""
    start = page.index(f'<h2 id="{name}">')
    end = page.find("<h2", start + 1)
    return Reader(
        page[: page.index("<body>")]
        + "<body><main>"
        + page[start : end if end > 0 else None].partition("</main>")[0]
        + "</main></body></html>"
    ).text


@pytest.fixture(scope="module")
def promoted_page(promoted: ReportData) -> str:
    """The promoted report as HTML."""
    return render(promoted)


@pytest.fixture(scope="module")
def asked_page(asked: ReportData) -> str:
    """The report as it is while a person is asked."""
    return render(asked)


@pytest.fixture(scope="module")
def compared_page(compared: ReportData) -> str:
    """The report of an A/B test."""
    return render(compared)


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
        "lightweight-predictor-v2: ", "requests per second", "limit 200 ms", "limit 1 %", "enough",
        "keep baseline", "split as planned", "Split as set: ",
        "Latency looks right; go.", "approved", "no Slack token configured", "majority class", "7e6aaf4",
    ):  # fmt: skip
        assert part.lower() in text.lower()
    assert json.loads(text[text.index('{\n  "model"') : text.rindex("}") + 1]) == promoted.plan


def test_an_absent_section_says_why_and_one_that_is_not_meant_is_left_out(rolled_back_page: str) -> None:
    """What is not there has a reason; a canary has no empty section about an A/B test."""
    assert "The rollout ended before a stage that a person approves." in Reader(rolled_back_page).text
    assert 'id="comparison"' not in rolled_back_page
    page = render(just_begun())
    for reason in (
        "No check was made.",
        "No stage was decided.",
        "could not be read",
        "No message was sent.",
        "No request was counted",
    ):
        assert reason in Reader(page).text
    assert 'id="approvals"' not in page
    assert "not ended when this was written" in page


def test_a_question_stands_on_top_with_its_deadline(asked: ReportData, asked_page: str) -> None:
    """Whoever opens the report of a waiting rollout reads what is asked, until when, and what silence means."""
    top = Reader(asked_page.split("<h2", maxsplit=1)[0] + "</main></body></html>").text
    assert isinstance(asked.approvals, tuple)
    for part in (
        "Approve 50 % of traffic?",
        f"{asked.approvals[0].answer_by:%H:%M:%S} UTC",
        "Without an answer traffic goes back",
    ):
        assert part in top
    assert "In progress" in top
    assert "Approve 50 %" not in Reader(render(asked.model_copy(update={"approvals": None}))).text


def test_looks_without_news_are_folded(asked: ReportData, asked_page: str) -> None:
    """However long the guard looks on while a person is asked, a stage is one card, with what the last look said."""
    assert isinstance(asked.decisions, tuple)
    assert ["5 %", "10 %", "25 %"] == [made.stage for made in asked.decisions]
    assert f"{LOOKS_WHILE_ASKED} more looks without news: {LOOKS_WHILE_ASKED} × PROMOTE; the last at " in asked_page
    assert len(Reader(asked_page).text.split()) < 3000


def test_verdicts_come_first_and_the_timeline_later(promoted_page: str, compared_page: str) -> None:
    """A canary's page begins with its decisions, an A/B test's with its comparison; records come after the evidence."""
    places = [promoted_page.index(f'<h2 id="{name}"') for name in ("decisions", "comparison", "evidence", "timeline")]
    assert sorted(places) == places
    assert compared_page.index("<h2") == compared_page.index('<h2 id="comparison"')
    assert 'id="decisions"' not in compared_page


def test_a_conclusion_stands_beside_its_metric(compared_page: str) -> None:
    """What a row concludes is its second cell, in words, before any number can push it out of sight."""
    table = compared_page[compared_page.index("<th>Metric</th>") :]
    assert table.startswith("<th>Metric</th><th>Conclusion</th>")
    text = section(compared_page, "comparison")
    assert re.search(r"not worse\s+worse by at most [\d.]+ points, margin 5 points", text)
    assert re.search(r"within its limit\s+at most [\d.]+ ms, limit 200 ms", text)


def test_every_cell_says_what_it_is_on_a_phone(promoted_page: str) -> None:
    """Narrow screens show rows as cards, so each cell carries its column's name."""
    labels = [label for kind, cells in Reader(promoted_page).tables if kind == "cards" for label in cells]
    assert len(labels) > 50
    assert "" not in labels


def test_proven_says_what_is_proven(promoted_page: str) -> None:
    """Beside an interval that reaches past the limit stands what was shown: not worse than stable by the margin."""
    text = section(promoted_page, "decisions")
    assert re.search(r"error rate\s*proven\s*less than 5 points worse than stable", text)
    assert re.search(r"p95 latency\s*proven\s*within its limit of 200 ms", text)
    assert "unbounded" not in promoted_page
    assert "ln e" not in promoted_page


def test_the_timeline_names_no_run_by_its_id(promoted_page: str) -> None:
    """The run that the report is about is not named at each record, and nobody takes over from itself."""
    text = section(promoted_page, "timeline")
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", text)
    assert "took over" not in text
    assert "approval wanted before 50 %" in text


def test_every_stage_has_its_label_in_every_drawing_over_time(promoted_page: str) -> None:
    """Short stages between long ones are labelled too: above one another where they would collide."""
    drawings = re.findall(r"<svg.*?</svg>", section_of_drawings(promoted_page), flags=re.DOTALL)
    assert len(drawings) > 8
    for drawing in drawings:
        labels = re.findall(r">\s*([\d]+ %|A/B test)\s*</text>", drawing)
        assert {"A/B test", "5 %", "10 %", "25 %", "50 %", "75 %", "100 %"} <= set(labels)


def section_of_drawings(page: str) -> str:
    """Return the page from the evidence on: what is drawn over time."""
    return page[page.index('<h2 id="evidence"') :]


# A text of several lines is folded, which is a tag more and no markup of the text's.
ONE_LINE = st.text(min_size=1, max_size=60).filter(lambda text: len(f"{text}x".splitlines()) == 1)


@pytest.fixture(scope="module")
def harmless() -> Reader:
    """The page that holds a plain letter everywhere."""
    return Reader(render(everywhere("x")))


@settings(max_examples=6, deadline=None)
@given(text=ONE_LINE.map(lambda text: "<b>'\"&amp;" + text + "</td><script>$x^2$"))
def test_no_text_becomes_markup(harmless: Reader, text: str) -> None:
    """Hostile words change no tag and no attribute's name, and are read as they were written."""
    hostile = Reader(render(everywhere(text)))
    assert Counter(harmless.tags) == Counter(hostile.tags)
    assert Counter(name for _, name, _ in harmless.attributes) == Counter(name for _, name, _ in hostile.attributes)
    assert hostile.text.count(text) >= 25


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
    """Thousands of checks and records are thinned to a page under 1.5 MB."""
    moments = [NOON + timedelta(seconds=30 * count) for count in range(2880)]
    looks = tuple(
        (
            at,
            verdict(
                unit="ms", candidate=100.0 + count % 37, low=0, high=300, log_e_rollback=count / 900, log_e_promote=0.1
            ),
        )
        for count, at in enumerate(moments)
    )
    busy = {name: Activity(100, 1, 10.0, 20.0, shadow=False) for name in "abcd"}
    data = just_begun(
        timeline=tuple(Event(at=at, what="check", actor="run", detail="all is well " * 8) for at in moments),
        bins=tuple(Bin(at, 720.0, busy) for at in moments[::24]),
        courses=tuple(Course(guardrail=Guardrail(metric=name, limit=200), looks=looks) for name in "abcd"),
    )
    page = render(data)
    assert len(page.encode()) < 1_500_000
    assert "2480 records are not shown here; the ledger has them." in Reader(page).text


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
