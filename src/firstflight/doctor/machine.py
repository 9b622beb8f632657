"""The local stack's processes, what Prefect's server says of itself, and the disk."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from firstflight.domain.findings import Finding, failed, passed, warned
from firstflight.settings import Settings
from firstflight.stack import local
from firstflight.stack.disk import Disk, disk, size
from firstflight.stack.local import PartStatus

_GIBIBYTE = 2**30
LITTLE, NEARLY_NONE = 5 * _GIBIBYTE, _GIBIBYTE
"""One release leaves tens of megabytes; PostgreSQL stops at none left, so does every record of what was done."""
RECENT = timedelta(minutes=10)
_ROOM = {
    "database": "keep fewer days of predictions: FIRSTFLIGHT_RETENTION_DAYS, then `firstflight up`",
    "logs": "they are kept within bounds, so it is something else that fills the disk: make room there",
    "models": "`firstflight undeploy --old MODEL`, delete old runs on MLflow's page, and `mlflow gc`",
    "environments": "`firstflight undeploy --old MODEL`: an environment goes with the last model that needs it",
}
"""How to make room, by what takes most of it."""
_ERROR = re.compile(r"^(\d\d:\d\d:\d\d)\.\d+ \| (?:ERROR|CRITICAL) +\| (.*)$", re.MULTILINE)
_TAIL = 200_000


def machine_findings(settings: Settings) -> tuple[Finding, ...]:
    """Return what is found on this machine."""
    parts = local.status(settings)
    return (
        *part_findings(parts),
        *(
            server_log_finding(part.log, datetime.now(UTC).astimezone())
            for part in parts
            if part.name == "prefect" and part.pid
        ),
        disk_finding(disk(settings)),
    )


def part_findings(parts: Sequence[PartStatus]) -> Iterator[Finding]:
    """Yield one line for each part of the stack; a single one when none has a process."""
    if not any(part.pid for part in parts):
        yield failed(
            "stack-down",
            "local stack",
            "no process of it runs",
            wanted="its parts, under their supervisor",
            fix="`firstflight up`",
        )
        return
    for part in parts:
        where = f" at {part.address}" if part.address else ""
        if part.up:
            yield passed("part", part.name, f"answers{where}, process {part.pid}")
        else:
            yield failed(
                "part-down",
                part.name,
                f"{part.state}{', does not answer' if part.pid else ''}{where}",
                wanted="a process that runs and answers",
                fix=f"see {part.log}; `firstflight up` starts what is missing",
            )


def server_log_finding(log: Path, now: datetime) -> Finding:
    """Return whether Prefect's server wrote of an error lately: its API is well while a service of it is not.

    Its lines bear this machine's time of day, so a log that was not written to lately holds nothing of interest.
    """
    subject = "Prefect's log"
    if not log.exists() or now - datetime.fromtimestamp(log.stat().st_mtime, UTC) > RECENT:
        return passed("prefect-log", subject, f"nothing written in {log} for {RECENT.total_seconds() / 60:.0f} min")
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL))
        told = file.read().decode(errors="replace")
    day = timedelta(days=1)
    recent = [
        said
        for at, said in _ERROR.findall(told)
        if (now - datetime.combine(now, time.fromisoformat(at), now.tzinfo)) % day < RECENT
    ]
    if not recent:
        return passed("prefect-log", subject, f"no error in the last {RECENT.total_seconds() / 60:.0f} min")
    return warned(
        "prefect-log",
        subject,
        f"{len(recent)} errors in the last {RECENT.total_seconds() / 60:.0f} min, the last: {recent[-1][:200]}",
        wanted="none: a service that fails in each round plans no run and ends none",
        fix=f"read {log}; once its cause is gone, ten quiet minutes end this line",
    )


def disk_finding(found: Disk) -> Finding:
    """Return whether enough of the disk is left; when it is not, what takes most of it and what is to be done."""
    told = f"{size(found.free)} free for {found.place}"
    if found.free >= LITTLE:
        return passed("disk", "disk", told)
    most = max(found.taken, key=found.taken.__getitem__)
    make = failed if found.free < NEARLY_NONE else warned
    return make(
        "disk",
        "disk",
        f"{told}; {found.sentence}",
        wanted=f"at least {size(LITTLE)}",
        fix=f"{_ROOM[most]}; or set FIRSTFLIGHT_HOME to another disk",
    )
