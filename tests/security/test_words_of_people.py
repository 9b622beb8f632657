"""What people and other programs write is shown as it is: it colours nothing, links nowhere and fakes no line."""

import io
import logging
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError
from rich.console import Console
from typer.testing import CliRunner

from firstflight.cli.main import app, main
from firstflight.cli.telling import plain, say, tell
from firstflight.domain.plans import Guardrail
from firstflight.domain.wording import visible
from firstflight.ledger.record import Record
from firstflight.notify.blocks import to_blocks, to_text
from firstflight.notify.messages import Message
from firstflight.rollout.approval import Answer
from firstflight.rollout.freeze import Freeze
from firstflight.rollout.machine import rollouts
from firstflight.supervision.logs import OneLine
from tests.unit.acts.twin import Twin, begun

SRC = Path(__file__).parents[2] / "src" / "firstflight"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
MARKUP = [
    "[/]",
    "[/dim]",
    "[bold red]x[/]",
    "[link=http://evil]x[/link]",
    "[@click=app.bell]x[/]",
    ":bomb:",
    "[",
    "x\\",
]
STEERING = ["\x1b[31mred", "\x1b]0;title\x07", "a\rb", "a\nb", "a\x00b", "\x9b31m", "\u202eabc", "a\u2028b", "\x7f"]


def printed(words: str, *, terminal: bool) -> str:
    """What `history` prints of an answer by somebody called `words`, who says `words` for `words`."""
    out = io.StringIO()
    body = {"stage": 50, "decision": "approve", "approver": words, "comment": words, "reasons": [words]}
    record = Record(stream="rollout/m", number=1, at=NOW, kind="approval.answered", actor=words, body=body)
    tell(Console(file=out, force_terminal=terminal, width=400, emoji=False), record, by=words)
    return out.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("words", [*MARKUP, *STEERING])
def test_history_shows_words_as_they_are(words: str, *, terminal: bool) -> None:
    """A record is told in as many lines as any other, with the colours of any other."""
    told, usual = printed(words, terminal=terminal), printed("usual", terminal=terminal)
    assert visible(words) in told
    assert told.count("\n") == usual.count("\n")
    assert set(re.findall(r"\x1b\[[0-9;]*m", told)) <= set(re.findall(r"\x1b\[[0-9;]*m", usual))
    left = re.sub(r"\x1b\[[0-9;]*m", "", told)
    assert not set(left) & {*"\x1b\r\x00\x07\x7f\x9b\u202e\u2028"}
    assert "💣" not in told


@pytest.mark.parametrize("words", MARKUP)
def test_no_words_break_a_terminal(words: str) -> None:
    """Whoever prints through the one place can print anything."""
    out = io.StringIO()
    say(Console(file=out, force_terminal=True, width=400, emoji=False), f"[dim]{plain(words)}[/dim] {plain(words)}")
    assert words in out.getvalue()


def test_only_one_place_makes_markup_of_words() -> None:
    """Rich is told what is no markup in one module, and no terminal is made elsewhere."""
    others = [path for path in (SRC / "cli").glob("*.py") if path.name != "telling.py"]
    assert [] == [path.name for path in others if re.search(r"rich\.markup|[^.\w]Console\(", path.read_text())]


@pytest.mark.parametrize("words", STEERING)
@pytest.mark.parametrize(
    "line",
    [
        ["approve", "latest", "--as"],
        ["approve", "latest", "--as", "ann", "--comment"],
        ["reject", "latest", "--as", "ann", "--comment"],
        ["promote", "m", "--as", "ann", "--comment"],
        ["roll-back", "m", "--reason"],
        ["roll-back", "m", "--as"],
        ["freeze", "--as", "ann", "--reason"],
        ["thaw", "--as", "ann", "--reason"],
    ],
    ids=" ".join,
)
def test_a_command_takes_no_control_characters(line: list[str], words: str) -> None:
    """Refused where they are typed, with exit code 2, and shown written out."""
    done = CliRunner().invoke(app, [*line, words])
    assert 2 == done.exit_code
    assert not set(done.output) & {*"\x1b\r\x00\x07\x7f\x9b\u202e\u2028"}
    assert "leave them out" in " ".join(done.output.replace("│", " ").split()) or "nobody's name" in done.output


@pytest.mark.parametrize("words", STEERING)
def test_a_form_takes_no_control_characters(words: str) -> None:
    """By its schema, so that Prefect refuses it and the run that waits goes on waiting; a comment may have lines."""
    for name in ("approver", "comment"):
        given = {"approver": "ann", "decision": "approve", "comment": "fine", name: words}
        if name == "comment" and words in {"a\nb", "a\rb"}:
            assert Answer.model_validate(given)
            continue
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(given, Answer.model_json_schema())
        with pytest.raises(ValidationError):
            Answer.model_validate(given)


@pytest.mark.parametrize(
    "name", ["Ann", "Zoë Å. 王", "o'Neil-Smith", "ann@example.org", "\N{WHITE HEAVY CHECK MARK}", "[/]"]
)
def test_a_form_takes_names_of_people(name: str) -> None:
    """Letters of any script, and what looks like markup: it is shown, never obeyed."""
    given = {"approver": name, "decision": "approve", "comment": "line one\nline two\t\N{PARTY POPPER}"}
    jsonschema.validate(given, Answer.model_json_schema())
    assert name == Answer.model_validate(given).approver


@pytest.mark.parametrize("words", [*MARKUP, *STEERING])
def test_an_old_record_with_control_characters_is_still_read(twin: Twin, words: str) -> None:
    """It was written before they were refused: it is read, and told in one line."""
    rollout = begun(twin)
    answer = {"stage": 10, "decision": "reject", "approver": words, "comment": words}
    twin.ledger.append(f"rollout/{rollout.model}", "approval.answered", answer, actor="ann")
    [told] = rollouts(twin.ledger.read(f"rollout/{rollout.model}"))
    assert (visible(f"{words} rejected: {words}"),) == told.reasons
    assert words in str(Freeze(by=words, reason=f"{words}.", since=NOW))


@pytest.mark.parametrize("words", STEERING)
def test_slack_gets_one_line_for_each(words: str) -> None:
    """A value that breaks a line would be another fact, such as an approval that nobody gave."""
    message = Message(
        kind="promoted",
        model="m",
        rollout="m-r1",
        headline=words,
        facts=((words, f"{words}\n*Approved*"),),
        reasons=(words,),
    )
    texts = [to_text(message), *_texts(to_blocks(message))]
    assert not set("".join(texts)) & {*"\x1b\r\x00\x07\x7f\x9b\u202e\u2028"}
    assert 3 == len(message.text.splitlines())
    assert all(text.count("\n") <= 1 for text in texts[1:])


def _texts(block: Any) -> list[str]:
    if isinstance(block, dict):
        own = [block["text"]] if isinstance(block.get("text"), str) else []
        return own + [text for value in block.values() for text in _texts(value)]
    return [text for one in block for text in _texts(one)] if isinstance(block, list) else []


@pytest.mark.parametrize("words", STEERING)
def test_a_log_has_one_line_for_each_record(words: str) -> None:
    """Nobody writes a line of the guard's log by a comment; a traceback keeps its lines."""
    record = logging.LogRecord("firstflight", logging.INFO, "", 0, "%s said %s", ("ann", words), None)
    told = OneLine("%(levelname)s %(message)s").format(record)
    assert f"INFO ann said {visible(words)}" == told
    assert 1 == len(told.splitlines())


def test_an_error_does_not_steer_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its message may quote anybody; its own lines stay lines."""

    def fail(_: object) -> None:
        from firstflight.domain.errors import StackError  # noqa: PLC0415 - nobody else needs it

        raise StackError("the last words:\n\x1b]0;owned\x07 and so on")

    monkeypatch.setattr("firstflight.cli.main.app", fail)
    monkeypatch.setenv("NO_COLOR", "1")
    with pytest.raises(SystemExit):
        main([])
    assert "StackError: the last words:\n\\x1b]0;owned\\x07 and so on\n" == capsys.readouterr().err


@pytest.mark.parametrize("metric", ["[/]", "a\nb", "<b>", "a|b", "\x1b[31m", "error rate", "*"])
def test_a_metric_has_a_name_that_is_only_a_name(metric: str) -> None:
    """It stands in tables, in Markdown and in Slack."""
    with pytest.raises(ValidationError, match="the name of a metric"):
        Guardrail(metric=metric, limit=1)
