"""The stack as a whole, when it does not run; running: tests/e2e/test_stack.py."""

import json

import pytest
from typer.testing import CliRunner

from firstflight.cli.main import app
from firstflight.domain.errors import StackError
from firstflight.settings import Settings
from firstflight.stack.local import down, require_supported_python, status


@pytest.mark.parametrize("version", [(3, 11), (3, 12)])
def test_supported_pythons_pass(version: tuple[int, int]) -> None:
    """The versions every part runs on."""
    require_supported_python(version)


@pytest.mark.parametrize("version", [(3, 10), (3, 13)])
def test_other_pythons_are_refused_with_the_reason(version: tuple[int, int]) -> None:
    """The error says what is missing and what to use."""
    with pytest.raises(StackError, match=r"mlserver 1\.7\.1.*use 3\.11 or 3\.12"):
        require_supported_python(version)


def test_looking_at_a_stack_that_never_ran_makes_nothing(settings: Settings) -> None:
    """All parts are down, and there is no home yet."""
    assert not any(part.up for part in status(settings))
    assert not settings.home.exists()


def test_down_is_no_error_when_nothing_runs(settings: Settings) -> None:
    """Down twice, or before the first up."""
    down(settings)


def test_status_says_down_to_machines(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3 and one JSON object."""
    monkeypatch.setenv("FIRSTFLIGHT_HOME", str(settings.home))

    done = CliRunner().invoke(app, ["status", "--json"])

    assert done.exit_code == 3
    assert not json.loads(done.output)["up"]


@pytest.mark.parametrize(("user", "told"), [(0, True), (1000, False)])
def test_root_is_told_what_that_means(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, user: int, *, told: bool
) -> None:
    """Whoever runs the stack as root hears of it each time; machines, which read JSON, do not."""
    monkeypatch.setenv("FIRSTFLIGHT_HOME", str(settings.home))
    monkeypatch.setattr("os.getuid", lambda: user)
    for words in (["status"], ["status", "--json"]):
        done = CliRunner().invoke(app, words)
        assert (told and "--json" not in words) == ("run by root" in done.output)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("up", ("FIRSTFLIGHT_HOME", "FIRSTFLIGHT_PORT_PREFECT", "FIRSTFLIGHT_DATABASE_URL")),
        ("status", ("Exit code", "--json")),
        ("down", ("nothing is lost",)),
    ],
)
def test_help_teaches(command: str, words: tuple[str, ...]) -> None:
    """What one needs to know stands in --help."""
    told = " ".join(CliRunner().invoke(app, [command, "--help"], terminal_width=200).output.split())

    assert [word for word in words if word not in told] == []
