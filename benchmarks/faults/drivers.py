"""Drivers of a rollout without Prefect: the same acts, one process for each attempt, made in milliseconds."""

import multiprocessing
import time
from multiprocessing.process import BaseProcess

from benchmarks.faults.crossings import arm
from firstflight.acts.drive import Alone, drive
from firstflight.acts.start import resume_or_start
from firstflight.domain.errors import HeadMovedError, Outage, RolloutError
from firstflight.domain.plans import CanaryPlan
from firstflight.settings import Settings
from firstflight.world import open_world

OUTAGE_SECONDS = 1.0
"""A driver that finds something down tries again so much later."""
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__, "httpx"])


def attempt(settings: Settings, plan: CanaryPlan, run: str) -> BaseProcess:
    """Start a process that drives the rollout of `run` to its end, from wherever it stands."""
    process = _processes.Process(target=_drive, args=(settings, plan, run), daemon=True)
    process.start()
    return process


def _drive(settings: Settings, plan: CanaryPlan, run: str) -> None:
    arm(settings)
    world = open_world(settings)
    while True:
        try:
            drive(resume_or_start(world, plan, run=run), Alone(world))
        except Outage:
            time.sleep(OUTAGE_SECONDS)
        except (HeadMovedError, RolloutError):  # somebody else drives it now
            return
        else:
            return
