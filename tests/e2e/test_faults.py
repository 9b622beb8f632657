"""Parts that die while a canary runs, on the real local stack: traffic ends right, and nothing is lost."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import psutil
import pytest

from firstflight.acts.ledger_view import checks
from firstflight.acts.tell import notices_stream
from firstflight.domain.versions import ModelVersion
from firstflight.ledger import open_store
from firstflight.ledger.record import Record
from firstflight.observation.store_source import StoreSource
from firstflight.rollout.machine import Phase, Rollout, checks_stream, stream
from firstflight.serving import open_backend
from firstflight.settings import Settings
from firstflight.stack.environment import environment
from firstflight.stack.local import PartStatus, status
from firstflight.supervision.supervisor import Supervisor
from firstflight.workloads.scores import PROBABILITY
from firstflight.world import clock
from tests.e2e.runs import CANARY, MODEL, Runs, assert_home, canary, candidate, prefect, stopped

pytestmark = [pytest.mark.local, pytest.mark.usefixtures("released")]

PATIENT = CANARY.model_copy(update={"min_stage_seconds": 40.0, "approvals": ()})
"""Stays in its first stage long enough to be hit there."""


@pytest.fixture(scope="module")
def healthy(runs: Runs) -> ModelVersion:
    """A good copy of the champion, served: tried by those rollouts whose end is the stable model."""
    return candidate(runs, "healthy")


def wait(true: Callable[[], bool], seconds: float = 180.0) -> None:
    """Poll until something is true; fail past the deadline."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.25)


def kill(settings: Settings, name: str) -> int | None:
    """SIGKILL the process of one part or model server, and return which it was; None when it is down already."""
    state = Supervisor(settings.supervisor_folder).states().get(name)
    if state is None or state.pid is None:
        return None
    os.kill(state.pid, signal.SIGKILL)
    return state.pid


def gateway(settings: Settings) -> PartStatus:
    """How Envoy is."""
    [found] = [part for part in status(settings) if part.name == "gateway"]
    return found


def processes_of(run: UUID) -> list[psutil.Process]:
    """The processes in which Prefect runs `run`."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("PREFECT__FLOW_RUN_ID") == str(run):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def records(runs: Runs, rollout: Rollout) -> tuple[list[Record], list[Record]]:
    """What the ledger holds: of the model's rollouts, and of this one's checks."""
    ledger = open_store(runs.settings)
    return list(ledger.read(stream(MODEL))), list(ledger.read(checks_stream(rollout)))


def assert_nothing_lost(before: tuple[list[Record], list[Record]], after: tuple[list[Record], list[Record]]) -> None:
    """Every record that was there still is, unchanged and in its place."""
    for old, new in zip(before, after, strict=True):
        assert old
        assert old == new[: len(old)]


def test_a_killed_run_is_brought_home(runs: Runs, healthy: ModelVersion) -> None:
    """SIGKILL of the flow's process: Prefect notices, its hook ends the rollout, no record is lost."""
    run = canary(runs, healthy, PATIENT)
    before = records(runs, runs.observing(run.id))
    doomed = processes_of(run.id)
    assert doomed
    for process in doomed:
        process.kill()
    ended = runs.home(run.id)
    assert_home(runs, ended)
    assert "Crashed" in ended.reasons[0]
    assert "CRASHED" == runs.ended(run.id).state_type
    assert_nothing_lost(before, records(runs, ended))


def test_a_cancelled_run_is_brought_home(runs: Runs, healthy: ModelVersion) -> None:
    """A person cancels on Prefect's page while the canary observes."""
    run = canary(runs, healthy, PATIENT)
    before = records(runs, runs.observing(run.id))
    runs.orchestrator.cancel(run.id)
    ended = runs.home(run.id)
    assert_home(runs, ended)
    assert "CANCELLED" == runs.ended(run.id).state_type
    assert_nothing_lost(before, records(runs, ended))
    store = open_store(runs.settings)
    wait(lambda: any(notice.body["event"] == "ended" for notice in store.read(notices_stream(ended))))


def test_a_dead_collector_is_blindness_with_a_deadline(runs: Runs, healthy: ModelVersion) -> None:
    """No more records: the rollout waits as long as its plan allows, goes home, and the requests are counted later."""
    run = canary(runs, healthy, PATIENT.model_copy(update={"no_data_seconds": 6.0}))
    runs.observing(run.id)
    with stopped(runs.settings, "collector"):
        began = clock()
        ended = runs.home(run.id)
        assert_home(runs, ended)
        told = checks(open_store(runs.settings), ended)
    assert "INCONCLUSIVE" == told[-1][1].verdict
    assert "at most 6 s allowed; is the collector running?" in ended.reasons[0]
    blind = [look for look, _ in told if look.at > began]
    assert len(blind) < 15, "checks keep their distance when there is nothing to see"
    source = StoreSource(runs.settings.database("firstflight"), PROBABILITY)
    wait(lambda: (mark := source.watermark(MODEL)) is not None and mark.until > clock() - timedelta(seconds=3))
    missed = blind[-1].window.model_copy(update={"until": clock()})
    assert sum(source.assignments(MODEL, missed).values()) > 100


def test_a_candidate_that_keeps_dying_goes_home_and_takes_no_other_with_it(runs: Runs) -> None:
    """SIGKILL of the candidate's server, again and again: whoever sees it first goes home, stable answers on."""
    run = canary(runs, version := candidate(runs, "server killed"), PATIENT)
    rollout = runs.observing(run.id)
    stable = f"model.{rollout.arms.stable.served_name}"
    server = Supervisor(runs.settings.supervisor_folder).states()[stable].pid
    killed: set[int | None] = set()

    def over() -> bool:
        killed.add(kill(runs.settings, f"model.{version.served_name}"))
        assert open_backend(runs.settings).is_ready(rollout.arms.stable.served_name)
        return runs.rollout(run.id).final

    wait(over)
    assert killed - {None}
    ended = runs.rollout(run.id)
    assert_home(runs, ended)
    assert any(found in ended.reasons[0] for found in (version.served_name, "candidate error rate"))
    assert server == Supervisor(runs.settings.supervisor_folder).states()[stable].pid


def test_the_gateway_dies_and_the_rollout_goes_on(runs: Runs, healthy: ModelVersion) -> None:
    """SIGKILL of Envoy: it is back with the same split, and the stage is decided, for or against, never stuck."""
    run = canary(runs, healthy, CANARY.model_copy(update={"min_stage_seconds": 10.0}))
    before = records(runs, rollout := runs.observing(run.id))
    killed = kill(runs.settings, "gateway")
    assert killed is not None
    wait(lambda: gateway(runs.settings).up)
    assert killed != gateway(runs.settings).pid
    reported = open_backend(runs.settings).get_traffic(MODEL)
    if runs.rollout(run.id).phase is Phase.OBSERVING:
        assert rollout.split == reported
    wait(lambda: runs.rollout(run.id).final or runs.orchestrator.run(run.id).suspended, seconds=120.0)
    if not runs.rollout(run.id).final:
        assert (25,) == runs.rollout(run.id).passed
        runs.orchestrator.resume(run.id, {"approver": "grace", "decision": "reject", "comment": "seen enough"})
    ended = runs.home(run.id)
    assert_home(runs, ended)
    assert ended.reasons
    assert_nothing_lost(before, records(runs, ended))


def test_a_run_that_was_claimed_and_never_begun_crashes(runs: Runs) -> None:
    """Its worker died in between, or its job was refused: a worker of Kubernetes has said two things more by then.

    The automation is the deployed one with the least patience that Prefect takes.
    """
    program = (
        "from datetime import timedelta\n"
        "from deployments.automations import crash_runs_that_never_begin\n"
        "automation = crash_runs_that_never_begin(timedelta(seconds=10))\n"
        "automation.name = 'impatient'\n"
        "print(automation.create().id)\n"
    )
    made = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **environment(runs.settings)},
        cwd=runs.settings.project,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert made.returncode == 0, made.stderr
    automation = made.stdout.strip().splitlines()[-1]
    try:
        run = started(runs, "score-outcomes", {"state": {"type": "PENDING"}})
        with prefect(runs.settings) as client:
            for name in ("Submitting", "InfrastructurePending"):
                state = {"state": {"type": "PENDING", "name": name}, "force": True}
                client.post(f"/flow_runs/{run}/set_state", json=state).raise_for_status()
        ended = runs.ended(run)
    finally:
        with prefect(runs.settings) as client:
            client.delete(f"/automations/{automation}").raise_for_status()
    assert "CRASHED" == ended.state_type
    assert "claimed by a worker, not begun" in ended.message


def started(runs: Runs, deployment: str, body: dict[str, object]) -> str:
    """Make a flow run with more said than its parameters, and return its id."""
    named = {"deployments": {"name": {"any_": [deployment]}}}
    with prefect(runs.settings) as client:
        [found] = client.post("/deployments/filter", json=named).raise_for_status().json()
        made = client.post(f"/deployments/{found['id']}/create_flow_run", json=body).raise_for_status()
    return str(made.json()["id"])


def test_watch_health_goes_its_rounds(runs: Runs) -> None:
    """Prefect's own guard ends well beside the other one; it watches for a lease's time, which is short here."""
    run = started(runs, "watch-health", {"job_variables": {"env": {"FIRSTFLIGHT_LEASE_SECONDS": "6"}}})
    assert "COMPLETED" == runs.wait(run, lambda found: found.final).state_type
