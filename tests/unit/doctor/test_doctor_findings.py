"""What the doctor makes of processes, disks, Prefect and records."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from firstflight.doctor.machine import disk_finding, part_findings
from firstflight.doctor.orchestration import deployments_finding, pool_findings
from firstflight.doctor.records import lag_finding
from firstflight.domain.findings import Finding, Report, Status, failed, named, passed
from firstflight.orchestrator import Pool, Worker
from firstflight.stack.local import PartStatus

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
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
    """Little is a warning, next to nothing a failure."""
    free = (6 * 2**30, 2 * 2**30, 2**29)
    assert [Status.PASS, Status.WARN, Status.FAIL] == [disk_finding("/", one).status for one in free]


def test_work_pool() -> None:
    """No pool, no live worker, a paused one."""
    assert ["work-pool"] == [one.id for one in pool_findings("local", POOL, NOW)]
    assert ["work-pool-missing"] == [one.id for one in pool_findings("local", None, NOW)]
    paused = POOL.model_copy(update={"paused": True})
    assert ["work-pool-paused", "work-pool"] == [one.id for one in pool_findings("local", paused, NOW)]
    [offline] = pool_findings("local", POOL.model_copy(update={"workers": (GONE,)}), NOW)
    assert ("worker-offline", "no live worker; the last one was seen 300 s ago") == (offline.id, offline.found)
    [never] = pool_findings("local", POOL.model_copy(update={"workers": ()}), NOW)
    assert "no live worker; none was ever seen" == never.found


def test_deployments() -> None:
    """A rollout needs its way back."""
    assert Status.PASS is deployments_finding(frozenset({"canary", "roll-back"})).status
    assert "no roll-back among 1 deployments" == deployments_finding(frozenset({"canary"})).found


def test_lag_of_the_collector() -> None:
    """Up to ten seconds is well, a minute a warning, more a failure; never is a warning."""
    behind = (timedelta(seconds=1), timedelta(seconds=30), timedelta(seconds=61))
    found = [lag_finding(NOW - one, NOW) for one in behind]
    assert [Status.PASS, Status.WARN, Status.FAIL] == [one.status for one in found]
    assert "collector-never" == lag_finding(None, NOW).id


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
