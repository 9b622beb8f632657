"""Drivers of a rollout without Prefect: the same acts, one process for each attempt, made in milliseconds."""

import multiprocessing
import time
from multiprocessing.process import BaseProcess

from benchmarks.faults.crossings import arm
from firstflight.acts.enter_stage import enter_stage, pass_stage
from firstflight.acts.ledger_view import reread
from firstflight.acts.observe import bake, observe
from firstflight.acts.promote import finish, promote
from firstflight.acts.roll_back import intend_roll_back, rejoin, roll_back
from firstflight.acts.start import start_canary
from firstflight.decision import Decision, Verdict
from firstflight.errors import HeadMovedError, Outage, StaleTokenError
from firstflight.plans import CanaryPlan
from firstflight.rollout import Act, Bake, EnterStage, Observe, Phase, Promote, RollBack, Rollout, next_act
from firstflight.settings import Settings
from firstflight.world import World, open_world

OUTAGE_SECONDS = 1.0
"""A driver that finds something down tries again so much later."""
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__, "firstflight.registry.mlflow_registry"])


def attempt(settings: Settings, plan: CanaryPlan, run: str) -> BaseProcess:
    """Start a process that drives the rollout of `run` to its end, from wherever it stands."""
    process = _processes.Process(target=_drive, args=(settings, plan, run), daemon=True)
    process.start()
    return process


def _drive(settings: Settings, plan: CanaryPlan, run: str) -> None:
    arm(settings)
    world = open_world(settings)
    rollout: Rollout | None = None
    while rollout is None or not rollout.final:
        try:
            if rollout is None:
                rollout = start_canary(world, plan, run=run)
            elif (act := next_act(rollout)) is not None:
                rollout = _perform(world, rollout, act)
        except (HeadMovedError, StaleTokenError):
            rollout = rejoin(world, rollout) if rollout else None
            if rollout and rollout.driver != run:
                return
        except Outage:
            time.sleep(OUTAGE_SECONDS)


def _perform(world: World, rollout: Rollout, act: Act) -> Rollout:
    match act:
        case EnterStage(stage=stage):
            return enter_stage(world, rollout, stage)
        case Observe():
            return _follow(world, rollout, observe(world, rollout, lambda _look, _decision: None))
        case Bake():
            return _follow(world, rollout, bake(world, rollout, lambda _look, _decision: None))
        case Promote():
            return promote(world, rollout)
        case RollBack():
            return roll_back(world, rollout)
    raise NotImplementedError(f"the bench's plans never ask for {act}")


def _follow(world: World, rollout: Rollout, decision: Decision | None) -> Rollout:
    if decision is None:
        return reread(world.ledger, rollout)
    if decision.verdict is Verdict.PROMOTE and rollout.phase is Phase.BAKING:
        return finish(world, rollout, decision.reasons)
    if decision.verdict is Verdict.PROMOTE:
        return pass_stage(world, rollout, decision.reasons)
    return intend_roll_back(world, rollout, decision.reasons, trigger=decision.verdict.value)
