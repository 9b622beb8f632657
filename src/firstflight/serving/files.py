"""State on disk that several processes share: replaced in one step, changed one at a time."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def replace(path: Path, text: str) -> None:
    """Replace the file in one step; its folder is made if missing.

    The new text is written outside the folder first: who watches the folder sees one event.
    Callers hold a lock, since two writers would share the temporary file.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.parent.with_name(f".{path.parent.name}.{path.name}.new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, made if missing; the lock ends with the block or with the process."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
