"""The stack as a whole, when it does not run; running: tests/e2e/test_stack.py."""

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from firstflight.cli.main import app
from firstflight.domain.errors import StackError
from firstflight.settings import Settings
from firstflight.stack.local import PartStatus, down, require_serving_python, status


def python(folder: Path, version: str) -> Path:
    """What says that it is Python `version`."""
    file = folder / "python"
    file.write_text(f"#!/bin/sh\necho '{version}'\n")
    file.chmod(0o700)
    return file


@pytest.mark.parametrize("version", ["3 11", "3 12"])
def test_the_model_server_has_a_python_of_its_own(tmp_path: Path, version: str) -> None:
    """Whatever runs the rest: most machines of today have 3.13 or later."""
    require_serving_python(python(tmp_path, version))


@pytest.mark.parametrize("version", ["3 10", "3 13"])
def test_another_python_is_refused_with_the_way_out(tmp_path: Path, version: str) -> None:
    """The error says which one, what runs on which, and what to do."""
    file = python(tmp_path, version)
    told = rf"{file} is Python {version.replace(' ', '.')}, and mlserver 1\.7\.1.* 3\.11 or 3\.12: .*make install"
    with pytest.raises(StackError, match=told):
        require_serving_python(file)


@pytest.mark.parametrize("says", [None, "no number", "exit"])
def test_no_python_at_all_is_refused_with_the_way_out(tmp_path: Path, says: str | None) -> None:
    """A checkout whose serving environment was never made, or is broken."""
    file = tmp_path / "python" if says is None else python(tmp_path, says)
    if says == "exit":
        file.write_text("#!/bin/sh\nexit 1\n")
    with pytest.raises(StackError, match=rf"no Python of the serving environment answers at {file}.*make install"):
        require_serving_python(file)


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


def test_what_runs_as_root_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Part by part: some are users of their own."""
    monkeypatch.setenv("FIRSTFLIGHT_HOME", str(settings.home))
    monkeypatch.setattr("os.getuid", lambda: 0)
    parts = [
        PartStatus(name, True, "running", pid, None, settings.home) for name, pid in (("a", os.getpid()), ("b", None))
    ]
    monkeypatch.setattr("firstflight.stack.local.status", lambda _settings: tuple(parts))
    told = CliRunner().invoke(app, ["status"]).output
    assert ("run by root, as root: a:" if os.geteuid() == 0 else "run by root:") in told


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
