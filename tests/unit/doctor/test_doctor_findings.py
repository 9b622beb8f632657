"""What the doctor makes of processes, disks, Prefect and records."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from pydantic import SecretStr

from firstflight.doctor.machine import disk_finding, part_findings, server_log_finding
from firstflight.doctor.orchestration import (
    automations_finding,
    deployments_finding,
    pending_finding,
    pool_findings,
    schedule_finding,
    service_finding,
)
from firstflight.doctor.records import days_finding, lag_finding, record_findings
from firstflight.domain.findings import Finding, Report, Status, failed, named, passed
from firstflight.orchestrator import AUTOMATIONS, FlowRun, Pool, Schedule, Worker
from firstflight.settings import Settings
from firstflight.stack.disk import Disk
from firstflight.stack.local import PartStatus

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
API = "PREFECT_API_URL=http://127.0.0.1:4200/api"
LIVE = Worker(name="local", online=True, seen=NOW)
GONE = Worker(name="local", online=False, seen=NOW - timedelta(minutes=5))
POOL = Pool(name="local", type="process", paused=False, workers=(LIVE, GONE))


def test_parts_of_the_stack() -> None:
    """A part that does not answer fails; a stack of which nothing runs is one line."""
    up = PartStatus("gateway", True, "running", 7, "http://127.0.0.1:1", Path("/log"))
    hangs = PartStatus("mlflow", False, "running", 8, None, Path("/log"))
    down = PartStatus("worker", False, "backoff", None, None, Path("/log"))
    assert ["part", "part-down", "part-down"] == [one.id for one in part_findings((up, hangs, down))]
    assert "running, does not answer" == list(part_findings((up, hangs)))[1].found
    assert ["stack-down"] == [one.id for one in part_findings((down,))]


def test_disk() -> None:
    """Little is a warning, next to nothing a failure; it says what takes most, and how that is made less."""
    taken = {"database": None, "logs": 2**20, "artifacts": 2**30, "environments": 2**31, "place": "/"}
    found = [disk_finding(Disk.model_validate({**taken, "free": free})) for free in (6 * 2**30, 2 * 2**30, 2**29)]
    assert [Status.PASS, Status.WARN, Status.FAIL] == [one.status for one in found]
    told = "2.0 GiB free for /; logs 1 MiB, models 1.0 GiB, environments 2.0 GiB; 2.0 GiB free"
    assert told == found[1].found
    assert found[1].fix.startswith("`firstflight undeploy --old MODEL`: an environment")
    days = disk_finding(Disk.model_validate({**taken, "free": 2**30, "database": 2**33}))
    assert "FIRSTFLIGHT_RETENTION_DAYS" in days.fix


def test_work_pool() -> None:
    """No pool, no live worker, a paused one."""
    assert ["work-pool"] == [one.id for one in pool_findings("local", POOL, NOW, API)]
    assert ["work-pool-missing"] == [one.id for one in pool_findings("local", None, NOW, API)]
    paused = POOL.model_copy(update={"paused": True})
    told = next(pool_findings("local", paused, NOW, API))
    assert "PREFECT_API_URL=http://127.0.0.1:4200/api prefect work-pool resume local" == told.fix
    assert ["work-pool-paused", "work-pool"] == [one.id for one in pool_findings("local", paused, NOW, API)]
    [offline] = pool_findings("local", POOL.model_copy(update={"workers": (GONE,)}), NOW, API)
    assert ("worker-offline", "no live worker; the last one was seen 300 s ago") == (offline.id, offline.found)
    [never] = pool_findings("local", POOL.model_copy(update={"workers": ()}), NOW, API)
    assert "no live worker; none was ever seen" == never.found


def test_deployments() -> None:
    """A rollout needs its way back."""
    assert Status.PASS is deployments_finding(frozenset({"canary", "roll-back"})).status
    assert "no roll-back among 1 deployments" == deployments_finding(frozenset({"canary"})).found


def a_run(kind: str, name: str, **times: datetime) -> FlowRun:
    """Return a run in a state."""
    return FlowRun(
        id="6db958f6-19b5-4a46-9817-b6509daf3228",
        name="hot-skua",
        state_type=kind,
        state_name=name,
        message="",
        **times,
    )


def test_a_schedule() -> None:
    """A schedule without a planned run fails, unless it is new; so does one whose run waits past its time."""
    ran = a_run("COMPLETED", "Completed", since=NOW - timedelta(minutes=4))
    fires = Schedule(deployment="watch-health", deployed=NOW - timedelta(days=1), last=ran, next=NOW)
    unplanned = fires.model_copy(update={"last": None, "next": None})
    new = unplanned.model_copy(update={"deployed": NOW - timedelta(seconds=9)})
    waits = fires.model_copy(update={"next": NOW - timedelta(minutes=9)})
    fails = fires.model_copy(update={"last": ran.model_copy(update={"state_type": "FAILED", "state_name": "Failed"})})

    found = [schedule_finding(one, NOW) for one in (fires, unplanned, new, waits, fails)]

    assert ["schedule", "schedule-unplanned", "schedule", "schedule-late", "schedule-fails"] == [
        one.id for one in found
    ]
    assert "last ran 4 min ago (Completed); next 12:00:00 UTC" == found[0].found
    assert "has never run; no run is planned" == found[1].found
    assert "has never run; deployed 9 s ago, no run is planned yet" == found[2].found
    assert "last ran 4 min ago (Completed); the next was to start 9 min ago and waits" == found[3].found


def test_services_of_the_server() -> None:
    """What a service left undone for minutes names the service; what it has just got does not."""
    old, new = NOW - timedelta(minutes=6), NOW - timedelta(seconds=5)
    late, marked = a_run("SCHEDULED", "Scheduled"), a_run("SCHEDULED", "Late")
    asks, cancelling = a_run("PAUSED", "Suspended", deadline=old), a_run("CANCELLING", "Cancelling", since=old)
    silent = POOL.model_copy(update={"workers": (LIVE.model_copy(update={"seen": old}),)})

    well = service_finding(
        POOL,
        (),
        (marked,),
        (asks.model_copy(update={"deadline": new}),),
        (cancelling.model_copy(update={"since": new}),),
        NOW,
    )
    ill = service_finding(silent, (), (late,), (asks,), (cancelling,), NOW)

    assert ("prefect-services", Status.PASS) == (well.id, well.status)
    assert Status.FAIL is ill.status
    assert [
        "late runs: not marked as late hot-skua",
        "pause expirations: past its deadline and still asking hot-skua",
        "cancellation: asked to end and has not hot-skua",
        "foreman: silent and still called online local",
    ] == ill.found.split("; ")


def test_runs_that_do_not_begin() -> None:
    """A worker of Kubernetes says Submitting of a run whose pod is refused, for as long as nobody looks."""
    stuck = a_run("PENDING", "Submitting", since=NOW - timedelta(minutes=3))
    begins = a_run("PENDING", "InfrastructurePending", since=NOW - timedelta(seconds=50))
    [found] = pending_finding((stuck, begins), NOW)
    assert ("runs-pending", Status.WARN) == (found.id, found.status)
    assert "hot-skua (Submitting)" in found.found
    assert () == tuple(pending_finding((begins,), NOW))


def test_automations() -> None:
    """Each is needed, and enabled."""
    every = dict.fromkeys(AUTOMATIONS, True)
    assert Status.PASS is automations_finding(every).status
    off = automations_finding({AUTOMATIONS[0]: False, AUTOMATIONS[1]: True})
    assert "'bring traffic home' is off, 'crash runs that never begin' is missing" == off.found


def test_the_log_of_the_server(tmp_path: Path) -> None:
    """An error of the last ten minutes is shown, across midnight too; an older one is not, nor what is no error."""
    log = tmp_path / "prefect.log"
    midnight = datetime(2026, 3, 2, 0, 2, tzinfo=UTC)

    def found(*lines: str) -> Finding:
        log.write_text("\n".join(lines))
        os.utime(log, (midnight.timestamp(), midnight.timestamp()))
        return server_log_finding(log, midnight)

    scheduler = "23:58:07.123 | ERROR   | prefect.server.services.scheduler - Can't evaluate bulk DML statement"
    assert Status.PASS is found("23:59:07.123 | INFO    | prefect - hello", scheduler.replace("23:58", "21:58")).status
    told = found("Traceback (most recent call last):", scheduler).found
    assert told == "1 errors in the last 10 min, the last: " + scheduler.partition("| ERROR   | ")[2]
    assert Status.PASS is server_log_finding(tmp_path / "nothing.log", midnight).status


def test_lag_of_the_collector() -> None:
    """Up to ten seconds is well, a minute a warning, more a failure; never is a warning."""
    behind = (timedelta(seconds=1), timedelta(seconds=30), timedelta(seconds=61))
    found = [lag_finding(NOW - one, NOW) for one in behind]
    assert [Status.PASS, Status.WARN, Status.FAIL] == [one.status for one in found]
    assert "collector-never" == lag_finding(None, NOW).id


def test_days_that_nobody_makes() -> None:
    """A night that was missed is nothing to be told of; two are."""
    behind = (timedelta(days=-3), timedelta(hours=23), timedelta(hours=25))
    assert [Status.PASS, Status.PASS, Status.WARN] == [days_finding(NOW - one, NOW).status for one in behind]


@pytest.mark.parametrize(("backend", "fix"), [("local", "`firstflight up`"), ("seldon", "port-forward")])
def test_what_to_do_fits_the_home(
    monkeypatch: pytest.MonkeyPatch, backend: Literal["local", "seldon"], fix: str
) -> None:
    """Nobody is told to start the local stack for a cluster."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    nowhere = "postgresql://x@127.0.0.1:9/firstflight"
    settings = Settings(backend=backend, database_url=SecretStr(nowhere))
    found = record_findings(settings)
    assert ["postgres-unreachable", "mlflow-unreachable"] == [one.id for one in found]
    assert all(fix in one.fix for one in found)
    assert ("container collector" in lag_finding(None, NOW, backend).fix) is (backend == "seldon")


def test_a_finding_says_what_to_do() -> None:
    """A line that is not a pass without a fix cannot be made; its runbook is named by its id."""
    with pytest.raises(ValueError, match="neither what was wanted nor what to do"):
        Finding(id="x", subject="y", status=Status.FAIL, found="z")
    fails = failed("disk", "disk", "full", wanted="room", fix="make some")
    assert "docs/runbooks/doctor.md#disk" == fails.runbook
    assert passed("disk", "disk", "room").runbook is None


def test_a_report_fails_by_its_failures() -> None:
    """Warnings do not fail a report."""
    fails = failed("disk", "disk", "full", wanted="room", fix="make some")
    warns = fails.model_copy(update={"status": Status.WARN})
    assert not Report(home="here", findings=(warns,), seconds=1).failed
    assert Report(home="here", findings=(warns, fails), seconds=1).failed


def test_long_lists_are_cut() -> None:
    """Two hundred names are no line."""
    assert "a, b and 1 more" == named(["a", "b", "c"], 2)
