"""A fire drill on the real local stack, as its user starts it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from firstflight.doctor.examine import examine
from firstflight.domain.findings import Status
from firstflight.ledger import open_store
from firstflight.rollout.machine import stream
from firstflight.serving import open_backend
from firstflight.settings import Settings
from firstflight.stack.environment import environment
from tests.e2e.runs import MODEL, Runs

pytestmark = [pytest.mark.local, pytest.mark.usefixtures("released")]

ROUTE = f"{MODEL}-drill"
FAULTS = ("errors", "driver")


@pytest.fixture(scope="module")
def production(runs: Runs) -> tuple[object, ...]:
    """The model's own split, rollouts and servers before the drill."""
    return _production(runs.settings)


@pytest.fixture(scope="module")
def done(runs: Runs, production: tuple[object, ...]) -> dict[str, Any]:
    """The drill of two faults, ended well; `tests/faults` has all of them on the twin."""
    assert production
    wanted = [word for fault in FAULTS for word in ("--fault", fault)]
    ended = subprocess.run(
        [sys.executable, "-m", "firstflight.cli.main", "drill", *wanted, "--model", MODEL, "--json"],
        env={**os.environ, **environment(runs.settings)},
        cwd=runs.settings.project,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert 0 == ended.returncode, f"{ended.stdout}\n{ended.stderr}"
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


def _production(settings: Settings) -> tuple[object, ...]:
    backend = open_backend(settings)
    servers = tuple(sorted(name for name in backend.served() if not name.startswith(ROUTE)))
    return backend.get_traffic(MODEL), open_store(settings).head(stream(MODEL)), servers


def test_every_candidate_came_home_as_promised(done: dict[str, Any]) -> None:
    """All moments were measured, and nothing was broken."""
    assert list(FAULTS) == [result["fault"]["name"] for result in done["results"]]
    for result in done["results"]:
        assert [] == result["broken"]
        assert None not in result["times"].values()
        assert "no request reached" in result["proof"]


def test_each_fault_really_struck(done: dict[str, Any]) -> None:
    """Errors were answered, and only the guard was left for the dead driver."""
    errors, driver = done["results"]
    assert errors["candidate_failed"] == errors["candidate_requests"] > 0
    assert "guard" == driver["by"]
    assert "has not been heard of" in driver["reasons"][0]


@pytest.mark.usefixtures("done")
def test_production_was_not_touched(runs: Runs, production: tuple[object, ...]) -> None:
    """Its split, its records and its servers are what they were."""
    assert production == _production(runs.settings)


@pytest.mark.usefixtures("done")
def test_no_copy_is_left_running(runs: Runs) -> None:
    """The route's name stays, since the backend drops none; nobody answers there, and no candidate is served."""
    backend = open_backend(runs.settings)
    split = backend.get_traffic(ROUTE)
    assert split is not None
    assert {split.stable: 100} == split.weights
    assert not backend.is_ready(split.stable)
    assert {split.stable} == {name for name in backend.served() if name.startswith(ROUTE)}


@pytest.mark.usefixtures("done")
def test_the_doctor_is_well_afterwards(runs: Runs) -> None:
    """A drill that kept its promises leaves nothing to mend: its route is closed, and nobody is asked there."""
    report = examine(runs.settings)
    assert [] == [finding for finding in report.findings if finding.status is Status.FAIL]
    [route] = [finding.found for finding in report.findings if finding.subject == f"route {ROUTE}"]
    assert route.startswith("closed")


def test_the_evidence_is_filed(done: dict[str, Any], runs: Runs, reports: Path) -> None:
    """One record for each fault in the day's stream, and one page."""
    told = open_store(runs.settings).read(f"drills/{done['began_at'][:10]}")
    mine = [record for record in told if record.body["drill"] == done["id"]]
    assert ["drill.began", *("drill.fault" for _ in FAULTS), "drill.ended"] == [record.kind for record in mine]
    assert "2 of 2 faults came home as promised" in (reports / f"{done['id']}.md").read_text(encoding="utf-8")
