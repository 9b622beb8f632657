"""The page over HTTP: everybody here reads, whoever was led there answers, and nobody else does anything."""

import asyncio
import re
import threading
from html.parser import HTMLParser
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from firstflight.acts.freeze import begin_freeze
from firstflight.cli.open import listen
from firstflight.domain.errors import StackError, StoreUnavailableError
from firstflight.page.app import MOST_BYTES, changes
from firstflight.page.reading import Reading
from firstflight.rollout.approval import Answer
from firstflight.rollout.freeze import Freeze
from firstflight.rollout.machine import stream
from firstflight.settings import Settings
from tests.conftest import free_ports
from tests.unit.acts.twin import MODEL, drive
from tests.unit.page.conftest import RUN, Browser, waiting

YES = {"approver": "mara", "decision": "approve", "comment": "go", "stage": 50}
MARKUP = "<script>alert(1)</script>\" onload='x"


class Outline(HTMLParser):
    """What a screen reader finds: headings in order, labels and fields, tables' headers."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.headings: list[int] = []
        self.labels: set[str | None] = set()
        self.fields: set[str | None] = set()
        self.inside: list[str] = []
        self.ids: list[str] = []
        self.styled: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what counts."""
        given = dict(attrs)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "label":
            self.labels.add(given.get("for"))
        if tag in {"input", "textarea"} and given.get("type") != "radio":
            self.fields.add(given.get("id"))
        if (own := given.get("id")) is not None:
            self.ids.append(own)
        self.styled += [name for name in given if name == "style" or name.startswith("on")]
        if tag == "script":
            self.inside.append(given.get("src") or "")


def signed_in(browser: Browser) -> str:
    """Return the key that the code of `firstflight open` is exchanged for."""
    answer = browser.post("/sign-in", content=browser.keys.code)
    assert 200 == answer.status_code
    return str(answer.json()["key"])


def question(browser: Browser) -> str:
    """Have a rollout wait for a person, and return where its answer goes."""
    return f"/rollouts/{waiting(browser.twin).id}/answer"


def test_before_the_first_rollout_the_page_says_how_to_begin_one(browser: Browser) -> None:
    """Nothing there is no error."""
    answer = browser.ask("GET", "/")
    assert 200 == answer.status_code
    assert "No rollout yet" in answer.text


def test_pages_link_to_each_other_and_to_prefect(browser: Browser) -> None:
    """From all to one, its model's history, its run; the report only once it is there."""
    rollout = waiting(browser.twin)
    assert f'href="/rollouts/{rollout.id}"' in browser.ask("GET", "/").text
    told = browser.ask("GET", f"/rollouts/{rollout.id}").text
    assert browser.settings.run_page(RUN) in told
    assert f"firstflight approve {RUN} --as NAME" in told
    assert f"/rollouts/{rollout.id}/report" not in told
    assert f'href="/rollouts/{rollout.id}"' in browser.ask("GET", f"/models/{MODEL}").text
    (browser.home / "reports").mkdir()
    (browser.home / "reports" / f"{rollout.id}.html").write_text("<p>the report")
    assert f"/rollouts/{rollout.id}/report" in browser.ask("GET", f"/rollouts/{rollout.id}").text
    report = browser.ask("GET", f"/rollouts/{rollout.id}/report")
    assert "<p>the report" == report.text
    assert "script" not in report.headers["content-security-policy"]


@pytest.mark.parametrize(
    "path", ["/rollouts/no", "/rollouts/..%2f..%2fetc/report", "/models/no", "/rollouts/no/events"]
)
def test_what_is_not_there_is_said(browser: Browser, path: str) -> None:
    """Names of files lead nowhere: only a rollout of the ledger has a report."""
    waiting(browser.twin)
    assert 404 == browser.ask("GET", path).status_code


@pytest.mark.parametrize("path", ["/", "/models/any", "/rollouts/any", "/rollouts/any/report", "/rollouts/any/events"])
def test_a_ledger_that_is_away_is_said(browser: Browser, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """And that it is worth another try."""

    def away(*_: object, **__: object) -> tuple[str, ...]:
        raise StoreUnavailableError("no database at <home>")

    for asked in ("streams", "read"):
        monkeypatch.setattr(browser.twin.world.ledger, asked, away)
    answer = browser.ask("GET", path)
    assert (503, "5") == (answer.status_code, answer.headers["retry-after"])
    assert "no database at &lt;home&gt;" in answer.text


@pytest.mark.parametrize("host", ["evil.example:4813", "127.0.0.1:4200", "127.0.0.1", "localhost.evil.example:4813"])
def test_pages_that_were_made_to_mean_this_machine_are_not_answered(browser: Browser, host: str) -> None:
    """Whatever they ask for; by this machine's names and the page's port it is answered."""
    assert 421 == browser.ask("GET", "/", headers={"Host": host}).status_code
    assert 421 == browser.ask("GET", "/live.js", headers={"Host": host}).status_code
    assert 200 == browser.ask("GET", "/", headers={"Host": "localhost:4813"}).status_code


def test_a_browser_runs_nothing_but_the_page_s_own_script(browser: Browser) -> None:
    """No inline script, style or handler; framed by nobody, kept by nobody; words of people are words."""
    rollout = waiting(browser.twin)
    drive(browser.twin.world, rollout, Answer(approver="Eve", decision="reject", comment=MARKUP))
    begin_freeze(browser.twin.world.ledger, Freeze(by=MARKUP, reason=MARKUP, since=browser.twin.world.now()))
    for path in ("/", f"/models/{MODEL}", f"/rollouts/{rollout.id}", "/rollouts/<script>alert(1)", "/sign-in"):
        answer = browser.ask("GET", path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "no-store" == answer.headers["cache-control"]
        assert "<script>alert" not in answer.text
        outline = Outline(answer.text)
        assert (["/live.js"], []) == (outline.inside, outline.styled)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in browser.ask("GET", f"/rollouts/{rollout.id}").text


def test_a_screen_reader_finds_its_way(browser: Browser) -> None:
    """One first heading, none skipped; every field has a label; no id twice."""
    rollout = waiting(browser.twin)
    for path in ("/", f"/models/{MODEL}", f"/rollouts/{rollout.id}", "/sign-in"):
        outline = Outline(browser.ask("GET", path).text)
        assert 1 == outline.headings.count(1)
        assert all(below - above <= 1 for above, below in pairwise(outline.headings)), outline.headings
        assert outline.fields <= outline.labels
        assert len(set(outline.ids)) == len(outline.ids)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_stand_out_from_what_is_behind_them(scheme: str) -> None:
    """By WCAG's ratio of 4.5, in either scheme: text, links, pills, buttons."""
    style = resources.files("firstflight.report").joinpath("page.css").read_text().partition("@media print")[0]
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", part)) for part in style.split("prefers-color-scheme: dark")[:2]
    )
    colours = light | (dark if scheme == "dark" else {})
    pairs = [(ink, ground) for ink in ("ink", "muted", "accent") for ground in ("paper", "panel")]
    pairs += [(tone, f"{tone}-wash") for tone in ("good", "bad", "warning", "info")]
    pairs += [("ink", f"{tone}-wash") for tone in ("good", "bad", "warning", "info")] + [("panel", "accent")]
    assert {} == {pair: ratio for pair in pairs if (ratio := contrast(colours[pair[0]], colours[pair[1]])) < 4.5}


def contrast(one: str, other: str) -> float:
    """Return WCAG's contrast of two colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def test_who_was_led_there_answers_as_by_the_command(browser: Browser) -> None:
    """The run takes the same form, with the person's own words; what follows is said."""
    to = question(browser)
    key = signed_in(browser)
    assert 204 == browser.ask("GET", "/signed-in", headers={"Authorization": f"Bearer {key}"}).status_code
    answer = browser.post(to, key=key, json={**YES, "comment": MARKUP})
    assert (200, "Taken: lightweight-predictor-v2 goes on to 50 % within seconds.") == (
        answer.status_code,
        answer.json()["told"],
    )
    assert [(RUN, {"approver": "mara", "decision": "approve", "comment": MARKUP})] == browser.prefect.told


def test_a_link_leads_in_once(browser: Browser) -> None:
    """Who finds it in a history or a file afterwards is not signed in."""
    code = browser.keys.code
    signed_in(browser)
    again = browser.post("/sign-in", content=code)
    assert 403 == again.status_code
    assert "`firstflight open` makes one" in again.json()["error"]


@pytest.mark.parametrize("code", ["", "guess", "é", "x" * MOST_BYTES])
def test_a_code_that_is_none_leads_nowhere_and_spends_none(browser: Browser, code: str) -> None:
    """Guessing locks nobody out."""
    assert 403 == browser.post("/sign-in", content=code.encode()).status_code
    signed_in(browser)


@pytest.mark.parametrize("key", [None, "", "guess", "é"])
def test_who_is_not_signed_in_answers_nothing(browser: Browser, key: str | None) -> None:
    """Nobody's run hears of it."""
    to = question(browser)
    header = {} if key is None else {"Authorization": f"Bearer {key}".encode()}
    answer = browser.ask("POST", to, headers={"Origin": "http://127.0.0.1:4813", **header}, json=YES)
    assert (403, []) == (answer.status_code, browser.prefect.told)
    assert 403 == browser.ask("GET", "/signed-in", headers=header).status_code


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "http://127.0.0.1:4200", "https://127.0.0.1:4813"]
)
def test_a_page_of_another_origin_answers_nothing(browser: Browser, origin: str | None) -> None:
    """Not even with the key, nor at another port of this machine; nor does it sign anybody in."""
    to = question(browser)
    assert 403 == browser.post("/sign-in", origin=origin, content=browser.keys.code).status_code
    answer = browser.post(to, origin=origin, key=signed_in(browser), json=YES)
    assert (403, []) == (answer.status_code, browser.prefect.told)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"json": {**YES, "stage": 10}}, 409),
        ({"json": {**YES, "approver": ""}}, 422),
        ({"json": {**YES, "decision": "perhaps"}}, 422),
        ({"json": {name: value for name, value in YES.items() if name != "decision"}}, 422),
        ({"json": {**YES, "comment": "\x1b[31m"}}, 422),
        ({"json": {**YES, "force": True}}, 422),
        ({"content": b"decision=approve"}, 422),
        ({"content": b" " * (MOST_BYTES + 1)}, 413),
    ],
)
def test_an_answer_that_is_none_is_refused(browser: Browser, sent: dict[str, Any], status: int) -> None:
    """Of another stage than was shown, without a name, without a decision, with hidden words, too long."""
    to = question(browser)
    answer = browser.post(to, key=signed_in(browser), **sent)
    assert (status, []) == (answer.status_code, browser.prefect.told)
    assert answer.json()["error"]


def test_a_question_that_is_closed_takes_no_answer(browser: Browser) -> None:
    """The page that was left open says what became of it."""
    rollout = waiting(browser.twin)
    drive(browser.twin.world, rollout, Answer(approver="ada", decision="reject", comment="no"))
    answer = browser.post(f"/rollouts/{rollout.id}/answer", key=signed_in(browser), json=YES)
    assert 409 == answer.status_code
    assert f"{rollout.id} is rolled back and asks nothing" in answer.json()["error"]
    assert [] == browser.prefect.told


def test_a_page_that_is_there_already_is_named(tmp_path: Path) -> None:
    """Its port is another's, and the message says what to do."""
    settings = Settings(home=tmp_path, page_port=free_ports().prefect)
    with listen(settings), pytest.raises(StackError, match=f"its page is {settings.page}; else set FIRSTFLIGHT_PAGE"):
        listen(settings)


def test_news_are_told_when_there_are_any() -> None:
    """At once, when the ledger has grown, is away or has come back, and now and then for the times' sake alone."""
    heads: list[tuple[int] | None] = [(1,), (1,), (2,), None, (2,), (2,), (2,), (2,)]
    asked: list[tuple[int] | None] = []

    def next_heads() -> object:
        asked.append(found := heads[len(asked)])
        if found is None:
            raise StoreUnavailableError("away")
        return found

    async def told() -> list[int]:
        ended = threading.Event()
        events, places = changes(next_heads, ended, look=0.001, tick=0.003), []
        while len(places) < 5:
            assert "data: news\n\n" == await anext(events)
            places.append(len(asked))
        ended.set()
        assert [] == [event async for event in events]
        return places

    assert [1, 3, 4, 5, 8] == asyncio.run(told())


def test_a_record_more_is_news_of_its_rollout(browser: Browser) -> None:
    """What a page is asked anew for is what its rollout, its checks and the freezes say."""
    rollout = waiting(browser.twin)
    reading = Reading(browser.twin.world.ledger)
    before = reading.heads(rollout)
    assert before == reading.heads(rollout)
    browser.twin.world.ledger.append(stream(MODEL), "driver.attached", {"before": RUN}, actor=RUN)
    assert before != reading.heads(rollout)
