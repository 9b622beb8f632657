"""The local stack's processes and its disk."""

import shutil
from collections.abc import Iterator, Sequence

from firstflight.domain.findings import Finding, failed, passed, warned
from firstflight.settings import Settings
from firstflight.stack import local
from firstflight.stack.local import PartStatus

_GIBIBYTE = 2**30
LITTLE, NEARLY_NONE = 5 * _GIBIBYTE, _GIBIBYTE
"""One release leaves tens of megabytes; PostgreSQL stops at none left, so does every record of what was done."""


def machine_findings(settings: Settings) -> tuple[Finding, ...]:
    """Return what is found on this machine."""
    folder = next(place for place in (settings.home, *settings.home.parents) if place.exists())
    return (*part_findings(local.status(settings)), disk_finding(str(folder), shutil.disk_usage(folder).free))


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


def disk_finding(folder: str, free: int) -> Finding:
    """Return whether enough of the disk is left."""
    found = f"{free / _GIBIBYTE:.1f} GiB free for {folder}"
    if free >= LITTLE:
        return passed("disk", "disk", found)
    make = failed if free < NEARLY_NONE else warned
    return make(
        "disk",
        "disk",
        found,
        wanted=f"at least {LITTLE / _GIBIBYTE:.0f} GiB",
        fix="make room, or set FIRSTFLIGHT_HOME to another disk; models without traffic can be undeployed",
    )
