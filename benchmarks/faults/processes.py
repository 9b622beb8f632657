"""The processes of a rollout in the clock twin: the flow's driver with its retries and hook, the guard, a person.

`drive` does what `flows/canary.py` does, in the same order, without Prefect: an outage is tried again after the delays
of `tasks/options.py`, a run that fails calls its hook, and a run that asks a person ends until the answer is there.
"""

from collections.abc import Callable
from typing import TypeVar

from benchmarks.faults.twin import MODEL, Process, Twin
from firstflight.acts.approve import answer, ask
from firstflight.acts.enter_stage import enter_stage, pass_stage
from firstflight.acts.homecoming import bring_model_home, bring_run_home
from firstflight.acts.ledger_view import reread
from firstflight.acts.observe import bake, observe
from firstflight.acts.promote import finish, promote
from firstflight.acts.roll_back import intend_roll_back, rejoin, roll_back
from firstflight.acts.start import start_canary
from firstflight.decision.decide import Decision, Verdict
from firstflight.domain.errors import FirstflightError, HeadMovedError, Outage, RolloutError, StaleTokenError
from firstflight.domain.plans import CanaryPlan
from firstflight.domain.samples import Look
from firstflight.guard.guard import Guard
from firstflight.rollout.approval import Answer
from firstflight.rollout.machine import (
    AwaitApproval,
    Bake,
    EnterStage,
    Observe,
    Phase,
    Promote,
    RollBack,
    Rollout,
    next_act,
)
from firstflight.world import World

T = TypeVar("T")
DELAYS = (1.0, 2.0, 4.0, 8.0, *(15.0,) * 8)
"""As in `tasks/options.py`."""
MOST_ACTS = 400
"""A driver that does more is in a loop."""


class Suspended(Exception):  # noqa: N818 - not an error
    """The run waits for a person, its process gone."""


class Desk:
    """Where a person's answers lie until a run asks for them."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, int], Answer] = {}
        self.asked: list[tuple[float, str, int]] = []


class Driver:
    """One process of a flow run."""

    def __init__(self, twin: Twin, process: Process, desk: Desk, plan: CanaryPlan, run: str) -> None:
        self._twin, self._process, self._desk, self._plan, self._run = twin, process, desk, plan, run
        self._world: World = twin.world(process)

    def work(self) -> None:
        """Do as the flow does; raises what the flow raises, after the hook was called."""
        try:
            self._drive(self._retried(lambda: start_canary(self._world, self._plan, run=self._run)))
        except Suspended:
            return
        except (FirstflightError, OSError) as error:
            bring_run_home(self._world, self._run, actor=f"hook of {self._run}", reason=f"the run failed: {error}")
            raise

    def _drive(self, rollout: Rollout) -> None:
        token, acts = rollout.token, 0
        while (act := next_act(rollout)) is not None:
            if (acts := acts + 1) > MOST_ACTS:
                raise AssertionError(f"{self._process.name} goes round in circles: {act} of {rollout.phase}")
            try:
                rollout = self._perform(rollout, act)
            except (HeadMovedError, StaleTokenError):
                rollout = self._rejoined(rollout)
            if not rollout.final and rollout.token != token:
                raise RolloutError(f"{rollout.id} was taken over by {rollout.driver}; this run stops")

    def _perform(self, rollout: Rollout, act: object) -> Rollout:
        world = self._world
        match act:
            case EnterStage(stage=stage):
                return self._retried(lambda: enter_stage(world, rollout, stage))
            case Observe():
                return self._follow(rollout, observe(world, rollout, _unwatched))
            case Bake():
                return self._follow(rollout, bake(world, rollout, _unwatched))
            case AwaitApproval(stage=stage):
                asked = self._retried(lambda: ask(world, rollout, stage, "link"))
                if (given := self._desk.answers.get((rollout.id, stage))) is None:
                    self._desk.asked.append((self._twin.time.now, rollout.id, stage))
                    raise Suspended
                return self._retried(lambda: answer(world, asked, stage, given))
            case Promote():
                return self._retried(lambda: promote(world, rollout))
            case RollBack():
                return self._retried(lambda: roll_back(world, rollout))
        raise AssertionError(f"an act of which no flow knows: {act}")

    def _follow(self, rollout: Rollout, decision: Decision | None) -> Rollout:
        world = self._world
        if decision is None:
            return self._retried(lambda: reread(world.ledger, rollout))
        if decision.verdict is not Verdict.PROMOTE:
            return self._retried(
                lambda: intend_roll_back(world, rollout, decision.reasons, trigger=decision.verdict.value)
            )
        if rollout.phase is Phase.BAKING:
            return self._retried(lambda: finish(world, rollout, decision.reasons))
        return self._retried(lambda: pass_stage(world, rollout, decision.reasons))

    def _rejoined(self, rollout: Rollout) -> Rollout:
        return self._retried(lambda: rejoin(self._world, rollout))

    def _retried(self, call: Callable[[], T]) -> T:
        for delay in DELAYS:
            try:
                return call()
            except Outage:
                self._world.wait(delay)
        return call()


def guarding(twin: Twin, process: Process, every: float = 3.0) -> Callable[[], None]:
    """The work of a guard process: rounds for ever."""

    def work() -> None:
        guard = Guard(twin.world(process), monotonic=lambda: twin.time.now)
        while True:
            begun = twin.time.now
            guard.round()
            twin.time.sleep(max(0.1, every - (twin.time.now - begun)))

    return work


def rolling_back(twin: Twin, process: Process) -> Callable[[], None]:
    """The work of `firstflight roll-back MODEL`."""

    def work() -> None:
        bring_model_home(twin.world(process), MODEL, actor="ada", reason="ada said so")

    return work


def _unwatched(_look: Look, _decision: Decision) -> None:
    """No one watches."""
