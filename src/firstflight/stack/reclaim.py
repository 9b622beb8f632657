"""Take a port back from one's own earlier life, then become a program: `… -m firstflight.stack.reclaim PORT CMD …`.

A server that works through child processes leaves them behind when it is killed; they hold its port, answer with
whatever they still know, and keep the restarted server out for ever.
"""

import os
import sys
import time
from pathlib import Path

import psutil

from firstflight.stack.ports import listening
from firstflight.supervision.processes import MARK, is_alive
from firstflight.supervision.supervisor import Supervisor

_SECONDS = 10
_POLL_SECONDS = 0.05


def reclaim(port: int, supervisor: Supervisor) -> None:
    """End the process of this stack that listens on `port`, if there is one; a stranger's is left alone."""
    holder = listening(supervisor.processes()).get(port)
    if holder is None:
        return
    try:
        holder.kill()
    except psutil.NoSuchProcess:
        return
    deadline = time.monotonic() + _SECONDS
    while is_alive(holder) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


if __name__ == "__main__":
    reclaim(int(sys.argv[1]), Supervisor(Path(os.environ[MARK])))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606  # becomes the program, so that its pid is the supervised one
