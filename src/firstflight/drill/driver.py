"""The driver of a drill's rollout: a process of its own, so that it can be killed.

`python -m firstflight.drill.driver RUN` reads the plan, one line of JSON, and drives it to its end. When its
standard input ends before that, whoever started it is gone, and so is it: the guard then brings the route home.
"""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from firstflight.acts.drive import Alone, drive
from firstflight.acts.start import resume_or_start
from firstflight.domain.plans import CanaryPlan
from firstflight.drill.faults import LEASE_SECONDS
from firstflight.rollout.policy import none_of
from firstflight.settings import Settings
from firstflight.stack.environment import environment
from firstflight.supervision.logs import begin_log
from firstflight.world import open_world

_STOP_SECONDS = 10


class Driver:
    """A driver that has been started and waits for its plan."""

    def __init__(self, process: subprocess.Popen[str], run: str) -> None:
        self._process = process
        self.run = run
        """Name under which it drives."""

    @property
    def pid(self) -> int | None:
        """Its process id; None when it has ended: the number may be another's by now."""
        return None if self.ended() else self._process.pid

    def begin(self, plan: CanaryPlan) -> None:
        """Let it drive `plan`."""
        if self._process.stdin is None:
            raise ValueError(f"{self.run} was started without a standard input")
        print(plan.model_dump_json(), file=self._process.stdin, flush=True)

    def ended(self) -> bool:
        """Whether it has ended, of itself or not."""
        return self._process.poll() is not None


@contextmanager
def driver(settings: Settings, run: str) -> Iterator[Driver]:
    """Start a driver for the stack of `settings`, with the short lease of drills; it is ended with the block.

    What it says is kept in `drills/<run>.log` below the stack's home.
    """
    log = settings.home / "drills" / f"{run}.log"
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    variables = {**os.environ, **environment(settings), "FIRSTFLIGHT_LEASE_SECONDS": str(LEASE_SECONDS)}
    command = [sys.executable, "-m", "firstflight.drill.driver", run]
    with (
        log.open("w") as sink,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=sink, stderr=sink, env=variables, text=True) as process,
    ):
        try:
            yield Driver(process, run)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def main() -> None:
    """Drive the plan on standard input."""
    begin_log(logging.INFO, "%(asctime)s %(name)s %(message)s")
    world = replace(open_world(Settings()), policy=none_of)  # nobody's traffic is on a drill's route
    plan = CanaryPlan.model_validate_json(sys.stdin.readline())
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    drive(resume_or_start(world, plan, run=sys.argv[1]), Alone(world))


def _end_with_standard_input() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
