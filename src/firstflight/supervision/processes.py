"""The processes of one supervisor in the machine's own table, supervisord killed or not."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from firstflight.domain.errors import ProcessFailedError

MARK = "FIRSTFLIGHT_SUPERVISOR"
"""The variable by which a process tells, and its children after it, whose it is: the supervisor's folder."""
_KILL_SECONDS = 10
_POLL_SECONDS = 0.05


def is_alive(process: psutil.Process) -> bool:
    """Return whether the process still does anything: one that only waits for its parent to notice its end does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def marked(folder: Path) -> list[psutil.Process]:
    """Return what carries the mark of `folder`, without the caller and its parents."""
    me = psutil.Process()
    spared = {me.pid, *(parent.pid for parent in me.parents())}
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid not in spared and process.environ().get(MARK) == str(folder):
                found.append(process)
        except (psutil.Error, OSError):
            continue  # gone meanwhile, or somebody else's
    return found


def end(processes: Sequence[psutil.Process]) -> None:
    """Ask the processes to end, then kill them.

    Raises:
        ProcessFailedError: Some are still there.
    """
    for signal in (psutil.Process.terminate, psutil.Process.kill):
        for process in processes:
            _send(signal, process)
        if within(_KILL_SECONDS, lambda: not any(map(is_alive, processes))):
            return
    left = ", ".join(str(process.pid) for process in processes if is_alive(process))
    raise ProcessFailedError(f"cannot end processes {left}")


def within(seconds: float, true: Callable[[], bool]) -> bool:
    """Poll until `true` says so; return whether it did in time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _send(signal: Callable[[psutil.Process], None], process: psutil.Process) -> None:
    try:
        signal(process)
    except psutil.NoSuchProcess:
        return
