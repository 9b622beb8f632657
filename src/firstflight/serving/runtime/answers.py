"""What a model server answered, one JSON line a request, where no gateway writes it down.

The lines are those of the local gateway's access log, so the same collector reads them. Writing is an append to a
file of the pod's own, some microseconds: no request waits for a database, or knows of one.
"""

import functools
import json
import logging
import os
import uuid
from pathlib import Path
from typing import Any

from firstflight.domain.route_header import CHOSEN
from firstflight.serving.limits import LONGEST_NAME
from firstflight.serving.route_header import ROUTE_HEADER

log = logging.getLogger(__name__)

MOST_BYTES = 64 * 2**20
"""A file this long is put aside as `<name>.1`, and the one before it ends: room for hours without a database."""


class Answers:
    """Appends to the file at `path`. A disk that takes nothing costs records, never answers."""

    def __init__(self, path: Path, most: int = MOST_BYTES) -> None:
        """Open when first written to."""
        self._path = path
        self._most = most
        self._file: int | None = None
        self._failing = False

    def write(self, entry: dict[str, Any]) -> None:
        """Append one line, whole or not at all as far as the file system allows."""
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        try:
            if self._file is not None and os.fstat(self._file).st_nlink == 0:  # somebody removed it: nobody reads on
                self._close()
            if self._file is None:
                self._file = self._open()
            os.write(self._file, line)
            if os.fstat(self._file).st_size >= self._most:
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
                self._close()
        except OSError as error:
            if not self._failing:
                log.warning("%s takes no answers, they are not recorded until it does: %s", self._path, error)
            self._failing = True
        else:
            self._failing = False

    def _open(self) -> int:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)

    def _close(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file = None


@functools.cache
def answers_at(path: Path) -> Answers:
    """Return the one writer of `path` in this process: models that share a server share its file."""
    return Answers(path)


def entry_of(headers: dict[str, str], body_id: str | None, known: dict[str, Any]) -> dict[str, Any] | None:
    """Return the line for a request with these headers, `known` being the rest; None without a route.

    It is counted under a name of our own: the client's may be missing, repeat, or be as long as it likes. A client that
    said which model it wants is told apart, which no counter of Seldon's mesh does.
    """
    rid, route, unit = headers.get("x-request-id") or body_id, headers.get("seldon-model"), headers.get("x-unit-id")
    if not route:
        return None
    if headers.get(ROUTE_HEADER):
        route += CHOSEN
    said = {"rid": (rid or "")[:LONGEST_NAME], "route": route, "unit": (unit or "")[:LONGEST_NAME] or None}
    return {"key": str(uuid.uuid4()), **said, **known}
