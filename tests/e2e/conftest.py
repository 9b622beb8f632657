"""A released model on the real local stack, with live traffic, shared by the end-to-end tests."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from firstflight.orchestrator import FlowRun
from firstflight.settings import Settings
from firstflight.stack.environment import environment
from tests.e2e.complaints import Complaints, Logs
from tests.e2e.runs import MODEL, RELEASE, Runs


@pytest.fixture(scope="session")
def live(stack: Settings) -> Iterator[Settings]:
    """The stack with held-out days replayed as live traffic."""
    command = [
        sys.executable,
        "-m",
        "firstflight.cli.main",
        "replay",
        MODEL,
        "--rate",
        "50",
        "--outcome-delay",
        "0.2",
        "--json",
    ]
    log = stack.home / "replay.log"
    env = {**os.environ, **environment(stack)}
    with (
        log.open("w") as sink,
        subprocess.Popen(command, stdout=sink, stderr=sink, env=env, cwd=stack.project) as replay,
    ):
        yield stack
        replay.terminate()
        replay.wait(timeout=120)


@pytest.fixture(scope="session")
def runs(live: Settings) -> Runs:
    """Runs on the live stack."""
    return Runs(live)


@pytest.fixture(scope="session")
def release_and_complaints(runs: Runs) -> tuple[FlowRun, Complaints]:
    """A whole release that was approved through the API, ended, and what any part wrote of errors meanwhile."""
    logs = Logs(runs.settings)
    run = runs.start("release/release", RELEASE)
    runs.suspended(run.id)
    runs.orchestrator.resume(run.id, {"approver": "ada", "decision": "approve", "comment": "looks right"})
    return runs.ended(run.id), logs.complaints()


@pytest.fixture(scope="session")
def released(release_and_complaints: tuple[FlowRun, Complaints]) -> FlowRun:
    """The release that was approved, ended."""
    return release_and_complaints[0]


@pytest.fixture(scope="session")
def reports(live: Settings) -> Path:
    """Folder of the reports."""
    return live.home / "reports"
