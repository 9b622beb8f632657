"""What the parts of a stack wrote of errors: in the logs of their processes, and in Prefect's log of its runs."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from firstflight.settings import Settings
from tests.e2e.runs import prefect

ERROR = re.compile(r"Traceback \(most recent call last\)|\b(?:ERROR|CRITICAL|FATAL|PANIC)\b|\[(?:error|critical)\]")
EXPECTED = re.compile(r'duplicate key value violates unique constraint "pk_task_run"')
"""Prefect writes a task run down by its API and by its event; whichever comes second is refused and reads the other."""
AFTER = 12
"""Lines after the first that go with an error, to be read by whoever finds the test failed."""


@dataclass(frozen=True)
class Complaints:
    """The first error in each log with what follows it, and how much of which logs was read."""

    found: dict[str, str]
    read: dict[str, int]


class Logs:
    """Every log of the stack, from now on."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._since = datetime.now(UTC)
        self._seen = {path: path.stat().st_size for path in self._files()}

    def complaints(self) -> Complaints:
        """Return what was written of errors since then."""
        found, read = {}, {}
        for path in self._files():
            with path.open("rb") as file:
                file.seek(self._seen.get(path, 0))
                told = file.read().decode(errors="replace")
            read[path.name] = len(told)
            lines = told.splitlines()
            errors = (at for at, line in enumerate(lines) if ERROR.search(line) and not EXPECTED.search(line))
            first = next(errors, None)
            if first is not None:
                found[path.name] = "\n".join(lines[max(0, first - 2) : first + AFTER])
        wanted = {"level": {"ge_": 40}, "timestamp": {"after_": self._since.isoformat()}}
        with prefect(self._settings) as client:
            answer = client.post("/logs/filter", json={"logs": wanted}).raise_for_status()
        return Complaints(found | {f"run {one['flow_run_id']}": one["message"] for one in answer.json()}, read)

    def _files(self) -> tuple[Path, ...]:
        return tuple(sorted(self._settings.home.rglob("*.log")))
