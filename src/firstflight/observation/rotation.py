"""Keep a log that somebody else writes within bounds, whoever else touches it and whether it was read or not.

What is dropped unread is found missing by its reader, which tells (`log_file.read`).
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path

from firstflight.domain.errors import BackendUnavailableError
from firstflight.observation.log_file import rotated

log = logging.getLogger(__name__)

MOST_BYTES = 16 * 2**20
"""A log of this size is put aside: half an hour of 20 requests a second."""
KEPT = 8
"""Files put aside; the oldest goes when there is one more."""


class Rotation:
    """Puts the log at `path` aside when it is long, and has its writer go on in a new one by `reopen`."""

    def __init__(self, path: Path, reopen: Callable[[], None], most: int = MOST_BYTES) -> None:
        """Look at nothing yet; `reopen` raises BackendUnavailableError while there is no writer."""
        self._path = path
        self._reopen = reopen
        self._most = most

    def tend(self) -> None:
        """Do what is due. Called often: while the log is short it is one look at the file."""
        try:
            if self._path.stat().st_size < self._most:
                return
            self._path.rename(self._path.with_name(f"{self._path.name}.{time.time_ns()}"))
        except FileNotFoundError:  # taken away: its writer fills a file that has no name any more
            if not self._path.parent.is_dir():
                return
        try:
            self._reopen()
        except BackendUnavailableError as error:
            log.debug("%s is not reopened, nobody writes it: %s", self._path, error)
        for surplus in sorted(rotated(self._path), key=lambda file: file.stat().st_mtime_ns)[:-KEPT]:
            surplus.unlink(missing_ok=True)
