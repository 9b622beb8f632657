"""The doctor on the real local stack: well, with a model served, and with that model's server gone."""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from firstflight.domain.traffic import TrafficSplit
from firstflight.serving.local.backend import LocalBackend
from firstflight.serving.local.model_server import program_name
from firstflight.settings import Settings
from firstflight.stack.environment import environment
from firstflight.supervision.supervisor import Supervisor
from tests.e2e.runs import Runs, prefect
from tests.serving_bench import artifact

pytestmark = pytest.mark.local

PARTS = {"postgres", "prefect", "mlflow", "gateway", "collector", "outcomes", "exporter", "worker"}


def doctor(settings: Settings) -> tuple[int, Any]:
    """Return the exit code and the JSON of the command, as a machine calls it."""
    done = subprocess.run(
        [sys.executable, "-m", "firstflight.cli.main", "doctor", "--json"],
        env={**os.environ, **environment(settings)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def told(report: Any) -> str:
    """Return what fails, in words."""
    failing = (one for one in report["findings"] if one["status"] == "fail")
    return "\n".join(f"{one['id']} {one['subject']}: {one['found']}" for one in failing)


def test_a_stack_from_one_command_is_well(stack: Settings) -> None:
    """Nothing fails, every part is named, a worker is live, and looking is quick."""
    code, report = doctor(stack)
    assert 0 == code, told(report)
    assert {one["subject"] for one in report["findings"]} >= PARTS
    assert {one["id"] for one in report["findings"]} >= {"work-pool", "deployments", "collector", "mlflow", "disk"}
    assert report["seconds"] < 10


def test_a_schedule_fires(stack: Settings) -> None:
    """Runs of the scheduled deployments are planned; one that is due starts by itself, ends well, and is reported.

    It is of a deployment of the test's own, as the stack's are hours apart, and a change of theirs is planned anew
    within a minute only. Its second run is due when the first has long ended: each costs seconds of a core.
    """
    due = datetime.now(UTC) + timedelta(seconds=12)  # new deployments are planned every 5 s
    often = {"schedule": {"interval": 30, "anchor_date": due.isoformat()}, "active": True, "slug": "often"}
    kept = ("flow_id", "entrypoint", "path", "pull_steps", "work_pool_name", "parameters")
    with prefect(stack) as api:
        known = api.get("/deployments/name/score-outcomes/score-outcomes").json()
        wanted = {name: known[name] for name in kept} | {"name": "often", "schedules": [often]}
        deployment = api.post("/deployments/", json=wanted).raise_for_status().json()["id"]
        by_itself = {"deployment_id": {"any_": [deployment]}, "state": {"type": {"any_": ["COMPLETED"]}}}
        try:
            deadline = time.monotonic() + 480
            while not (ran := api.post("/flow_runs/filter", json={"flow_runs": by_itself}).json()):
                assert time.monotonic() < deadline, "no run by the schedule has completed"
                time.sleep(0.5)
            _, report = doctor(stack)
        finally:
            api.post(f"/deployments/{deployment}/pause_deployment").raise_for_status()
            under_way = {"deployment_id": {"any_": [deployment]}, "state": {"type": {"any_": ["PENDING", "RUNNING"]}}}
            deadline = time.monotonic() + 480
            while api.post("/flow_runs/filter", json={"flow_runs": under_way}).json():
                assert time.monotonic() < deadline, "a run does not end"
                time.sleep(0.5)
            # A run whose deployment is gone cannot say whose it is, and complains in the worker's log.
            api.delete(f"/deployments/{deployment}").raise_for_status()

    assert all(one["auto_scheduled"] for one in ran)
    told = {one["subject"]: one for one in report["findings"]}
    assert "schedule" == told["schedule of watch-health"]["id"]
    assert "last ran" in told["schedule of often"]["found"]
    assert "pass" == told["automations"]["status"]


def test_a_share_without_a_server_is_found(stack: Settings, tmp_path: Path) -> None:
    """A served model answers the doctor's prediction; once its server is gone, its route fails and the code is 1."""
    backend = LocalBackend(stack)
    version = artifact(tmp_path / "artifact", 1, variant="doctored", model="doctored", says=0.25)
    backend.deploy(version, tmp_path / "artifact")
    backend.set_traffic("doctored", TrafficSplit.all_to(version.served_name), 1)

    code, report = doctor(stack)
    [answered] = [one for one in report["findings"] if one["subject"] == "a prediction of doctored"]
    assert "pass" == answered["status"]
    assert 0 == code, told(report)
    assert f"answered by {version.served_name}" in answered["found"]

    Supervisor(stack.supervisor_folder).remove(program_name(version.served_name))
    try:
        code, report = doctor(stack)
    finally:
        backend.deploy(version, tmp_path / "artifact")
    failing = {one["subject"]: one["id"] for one in report["findings"] if one["status"] == "fail"}
    assert {"route doctored": "model-server-down", "a prediction of doctored": "inference"} == failing
    assert 1 == code


def test_the_flow_leaves_a_table(stack: Settings) -> None:
    """The run ends well and its artifact has a row for each finding."""
    runs = Runs(stack)
    run = runs.orchestrator.start("validate-foundation/validate-foundation", {})
    ended = runs.wait(run.id, lambda found: found.final)
    assert "COMPLETED" == ended.state_type, ended.message
    assert "0 fail" in ended.message
    body = {"artifacts": {"key": {"any_": ["foundation"]}}}
    with prefect(stack) as api:
        [kept, *_] = api.post("/artifacts/filter", json=body).json()
    rows = json.loads(kept["data"]) if isinstance(kept["data"], str) else kept["data"]
    assert PARTS <= {row["what"] for row in rows}
