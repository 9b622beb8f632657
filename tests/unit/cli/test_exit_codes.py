"""What a command leaves for whoever called it, and that nothing it prints is cut off at eighty columns."""

import itertools
import json
import shlex
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text
from typer.main import get_command

from firstflight.cli import freezing, replay
from firstflight.cli import main as entrance
from firstflight.cli.commands import EXAMPLES, EXIT_CODES, SECTIONS
from firstflight.cli.main import app, spelled
from firstflight.cli.telling import say, show_table
from firstflight.domain.errors import (
    ApprovalRefusedError,
    BackendUnavailableError,
    FirstflightError,
    ModelNotFoundError,
    NotFoundError,
)
from firstflight.replay.tally import ReplayTally
from firstflight.workloads.workload import Workload
from tests.unit.cli.doubles import Ledger

Firstflight = Callable[..., tuple[int, str, str]]
COMMANDS = {spelled(command): command for commands in SECTIONS.values() for command in commands}
PROJECT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_which_codes_are_its_own(name: str) -> None:
    """In its help: whoever writes a script looks there; each is in the table of all."""
    told = COMMANDS[name].__doc__ or ""
    assert "xit code" in told
    _, _, codes = told.partition("xit code")
    assert {int(word.strip(":;,.")) for word in codes.split() if word.strip(":;,.").isdigit()} <= EXIT_CODES.keys()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FirstflightError("it failed"), 1),
        (BackendUnavailableError("nobody answers"), 1),
        (NotFoundError("nothing has that name"), 3),
        (ModelNotFoundError("no such model"), 3),
        (ApprovalRefusedError("not taken"), 5),
    ],
)
def test_an_error_made_on_purpose_is_one_line_and_a_code(
    firstflight: Firstflight, monkeypatch: pytest.MonkeyPatch, error: FirstflightError, code: int
) -> None:
    """On the other stream, so that a pipe holds nothing but results; in plain letters where colours are not wanted."""

    def fails(_words: object) -> None:
        raise error

    monkeypatch.setattr(entrance, "app", fails)
    monkeypatch.setenv("NO_COLOR", "1")
    left, out, told = firstflight("status")
    assert (code, "") == (left, out)
    assert told.endswith(f"{error}\n")
    assert "\x1b" not in told


@pytest.mark.parametrize("words", ["nosuch", "status --nosuch", "history", "plan nosuch.yaml --rate 1"])
def test_what_is_not_understood_is_code_two(firstflight: Firstflight, words: str) -> None:
    """An unknown command or option, a missing word, a file that is not there."""
    assert 2 == firstflight(*words.split())[0]


@pytest.mark.parametrize("name", [spelled(command) for command in EXAMPLES])
def test_examples_are_lines_to_copy(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fits into eighty columns, stands unbroken in the help, and is understood as it is written."""
    for mine in ("my.yaml", "my-labels.csv", "kept.txt"):
        (tmp_path / mine).touch()
    shutil.copytree(PROJECT / "deployments" / "plans", tmp_path / "deployments" / "plans")
    monkeypatch.chdir(tmp_path)
    command: Any = get_command(app).commands[name]  # type: ignore[attr-defined]  # it is a group
    told = command.get_help(command.make_context(name, [], resilient_parsing=True))
    for line in EXAMPLES[COMMANDS[name]]:
        assert f"\n  {line}\n" in f"{told}\n"
        assert len(line) <= 78
        program, called, *words = shlex.split(line)
        assert ("firstflight", name) == (program, called)
        command.make_context(name, words)


@pytest.fixture
def freezes(monkeypatch: pytest.MonkeyPatch, ledger: Ledger) -> Ledger:
    """The ledger that freezes stand in."""
    monkeypatch.setattr(freezing, "open_store", lambda _: ledger)
    return ledger


def test_freezes_say_until_when(firstflight: Firstflight, freezes: Ledger) -> None:
    """Exit code 4 while one holds; without an end it holds until it is lifted, which is not the same as lifted."""
    assert (0, "nothing is frozen\n", "") == firstflight("frozen")
    assert 0 == firstflight("freeze", "--as", "ann", "--reason", "on call is [ill]")[0]
    code, told, _ = firstflight("frozen")
    assert (4, True) == (code, "until it is lifted: on call is [ill]" in told)
    assert "frozen by ann since" in told
    machine = json.loads(
        firstflight("freeze", "--as", "bob", "--reason", "feast", "--until", "2999-01-01", "--json")[1]
    )
    assert "bob" == machine["by"]
    assert ["ann", "bob"] == [
        one["by"] for one in json.loads(firstflight("thaw", "--as", "ann", "--reason", "x", "--json")[1])
    ]
    assert 0 == firstflight("frozen", "--json")[0]
    assert 3 == freezes.head("freezes")


@pytest.mark.parametrize(
    "words",
    [
        ("--reason", "  "),
        ("--reason", "feast", "--from", "2026-02-02", "--until", "2026-02-01"),
        ("--reason", "feast", "--from", "today"),
    ],
)
def test_a_freeze_that_is_none_is_refused(firstflight: Firstflight, freezes: Ledger, words: tuple[str, ...]) -> None:
    """Without a reason, or ended before it begins: exit code 2, and nothing is written."""
    assert 2 == firstflight("freeze", "--as", "ann", *words)[0]
    assert 0 == freezes.head("freezes")


@pytest.mark.parametrize(
    ("statuses", "code"), [((200, 200), 0), ((200, 503), 4), ((503, 0), 1), ((404, 404), 3), ((404, 200), 4), ((), 0)]
)
def test_a_replay_says_whether_it_was_answered(
    firstflight: Firstflight, monkeypatch: pytest.MonkeyPatch, statuses: tuple[int, ...], code: int
) -> None:
    """0: all were; 4: some were not; 1: none was; 3: there is no such route."""

    async def run(*_: object, **__: object) -> object:
        tally = ReplayTally("m")
        for status in statuses:
            tally.record(status, None, 0.01, 0.0)
        return tally.summary(1.0)

    monkeypatch.setattr(Workload, "questions", lambda *_: ())
    monkeypatch.setattr(replay, "PredictionStore", lambda _: None)
    monkeypatch.setattr(replay, "run", run)
    left, told, why = firstflight("replay", "m", "--json")
    assert (code, len(statuses)) == (left, json.loads(told)["requests"])
    assert ("has no route 'm'" in why) == (code == 3)


def whole(words: Iterator[str], told: str) -> None:
    """Every word is there, in one piece."""
    assert [] == [word for word in words if word not in told.split()]


def test_a_paragraph_is_one_line_in_a_pipe_and_wrapped_between_words_on_a_terminal() -> None:
    """Who searches a pipe finds a sentence; who reads a narrow terminal finds whole words, indented."""
    words = [f"word-{number}" for number in range(20)]
    told = {}
    for terminal in (False, True):
        console = Console(width=40, force_terminal=terminal, no_color=True)
        with console.capture() as kept:
            say(console, " ".join(words), indent=4)
        told[terminal] = kept.get()
    assert f"    {' '.join(words)}\n" == told[False]
    assert 40 >= max(map(len, Text.from_ansi(told[True]).plain.splitlines()))
    whole(iter(words), told[True])


def test_the_parts_of_a_stack_are_told_in_whole_words(
    firstflight: Firstflight, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Exit code 3 when one is down; the home is named, since another one may be meant."""
    home = tmp_path / f"a-home-with-a-long-name-{datetime.now(UTC):%Y}" / "and-a-folder-in-it"
    monkeypatch.setenv("FIRSTFLIGHT_HOME", str(home))
    code, told, _ = firstflight("status")
    assert 3 == code
    whole(iter(("postgres", "collector", "worker", "stopped", f"{home}", "http://127.0.0.1:4200")), told)


@pytest.mark.parametrize("terminal", [False, True])
def test_a_table_that_is_too_wide_loses_no_word(*, terminal: bool) -> None:
    """A row a line in a pipe, as wide as it is; on a narrow terminal each cell with its header, wrapped."""
    headers = [f"header-{number}" for number in range(8)]
    rows = [[f"cell-{row}-{number}" for number in range(8)] for row in range(3)]
    table = Table(*headers, title="what it is", caption="and what that means", box=None)
    for row in rows:
        table.add_row(*row)
    console = Console(width=40, force_terminal=terminal, no_color=True)
    with console.capture() as told:
        show_table(console, table)
    plain = Text.from_ansi(told.get()).plain
    words = plain.split()
    assert [] == [word for word in (*headers[1:], *itertools.chain(*rows), "means") if word not in words]
    if terminal:
        assert 40 >= max(map(len, plain.splitlines()))
    else:
        assert rows[1] == plain.splitlines()[3].split()


def test_a_plan_for_rare_requests_is_told_in_whole_words(firstflight: Firstflight, tmp_path: Path) -> None:
    """Where every figure has many digits, which eighty columns cannot hold side by side."""
    file = tmp_path / "plan.yaml"
    file.write_text("model: m\n")
    code, told, _ = firstflight("plan", str(file), "--rate", "0.01")
    assert (4, False) == (code, "…" in told)
    assert {"guardrail", "error_rate", "impossible", "accuracy", "100"} <= set(told.split())
