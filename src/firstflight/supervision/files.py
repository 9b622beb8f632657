"""State on disk that several processes share: replaced in one step, changed one at a time."""

import fcntl
import math
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_SHARED = stat.S_ISGID | stat.S_IXGRP


def replace(path: Path, text: str) -> None:
    """Replace the file in one step; its folder is made if missing. Only its owner may read it.

    So may the group of a folder that lets its group in and hands itself on (setgid, as `accounts` makes them). The new
    text is written outside the folder first: who watches the folder sees one event.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = path.parent.resolve()  # a link may lead to another disk
    fresh = folder.with_name(f".{folder.name}.{path.name}.{secrets.token_hex(4)}")
    about = folder.stat()
    try:
        with _written(fresh) as file:
            file.write(text)
            if about.st_mode & _SHARED == _SHARED:
                os.fchown(file.fileno(), -1, about.st_gid)
                os.fchmod(file.fileno(), 0o640)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(folder / path.name)
    finally:
        fresh.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, seconds: float = math.inf) -> Iterator[None]:
    """Hold the lock file `path`, made if missing; the lock ends with the block or with the process.

    Raises TimeoutError when another process has held it for `seconds`.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _written(path) as lock:
        _take(lock, seconds)
        yield


def _written(path: Path) -> IO[str]:
    return open(path, "w", encoding="utf-8", opener=_private)  # Path.open knows no opener


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _take(lock: IO[str], seconds: float) -> None:
    if math.isinf(seconds):
        fcntl.flock(lock, fcntl.LOCK_EX)
        return
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{lock.name} has been held by another process for {seconds:g} s") from None
            time.sleep(0.01)
        else:
            return
