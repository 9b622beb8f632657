"""`firstflight doctor`, as a person and a machine call it."""

import json

import pytest
from typer.testing import CliRunner

from firstflight.cli import doctor as command
from firstflight.cli.main import app
from firstflight.domain.findings import Report, failed, passed, warned
from firstflight.settings import Settings

WELL = passed("disk", "disk", "room")
DOUBTFUL = warned("collector-never", "collector", "nothing [yet]", wanted="something", fix="start it")
ILL = failed("worker-offline", "work pool local", "no live worker", wanted="one", fix="start one")


def report(monkeypatch: pytest.MonkeyPatch, *findings: object) -> None:
    """Let the next examination have found this."""

    def examine(_settings: Settings) -> Report:
        return Report(home="here", findings=tuple(findings), seconds=0.1)

    monkeypatch.setattr(command, "examine", examine)


def test_a_failure_is_exit_code_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails is shown with what was wanted, the fix and its runbook; what is well only when asked for."""
    report(monkeypatch, WELL, DOUBTFUL, ILL)
    result = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "200"})
    assert 1 == result.exit_code
    assert "nothing [yet]" in result.stdout
    for part in ("fix: start one", "docs/runbooks/doctor.md#worker-offline", "1 pass, 1 warn, 1 fail"):
        assert part in result.stdout
    assert "room" not in result.stdout
    assert "room" in CliRunner().invoke(app, ["doctor", "--all"], env={"COLUMNS": "200"}).stdout


def test_warnings_are_exit_code_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing fails: everything is shown."""
    report(monkeypatch, WELL, DOUBTFUL)
    result = CliRunner().invoke(app, ["doctor"])
    assert 0 == result.exit_code
    assert "room" in result.stdout


def test_machines_read_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """One object: the counts, and each finding with its runbook."""
    report(monkeypatch, WELL, ILL)
    result = CliRunner().invoke(app, ["doctor", "--json"])
    said = json.loads(result.stdout)
    assert (1, True, {"pass": 1, "warn": 0, "fail": 1}) == (result.exit_code, said["failed"], said["counts"])
    assert [None, "docs/runbooks/doctor.md#worker-offline"] == [one["runbook"] for one in said["findings"]]
