"""Drive a rollout: do what comes next until nothing is left. Flows, fire drills and model checking run this loop."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from firstflight.acts.approve import answer, ask
from firstflight.acts.compare import compare_variants
from firstflight.acts.enter_stage import enter_stage, pass_stage
from firstflight.acts.observe import bake, observe
from firstflight.acts.promote import conclude, finish, promote
from firstflight.acts.roll_back import intend_roll_back, rejoin, roll_back
from firstflight.acts.tell import tell_approval_wanted, tell_ended, tell_stage_passed, tell_started
from firstflight.decision.verdicts import Decision, Verdict
from firstflight.domain.errors import HeadMovedError, RolloutError, StaleTokenError
from firstflight.domain.plans import ABTestPlan
from firstflight.rollout.approval import Answer
from firstflight.rollout.machine import (
    Act,
    AwaitApproval,
    Bake,
    Conclude,
    EnterStage,
    Observe,
    Phase,
    Promote,
    RollBack,
    Rollout,
    next_act,
)
from firstflight.world import World

P = ParamSpec("P")
T = TypeVar("T")
LibraryAct = Callable[Concatenate[World, Rollout, P], T]


class Acts(Protocol):
    """How a driver acts: with what patience, whom he asks, and whom he tells."""

    def do(self, act: LibraryAct[P, T], rollout: Rollout, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do `act`, through outages if need be."""

    def watch(self, act: LibraryAct[P, T], rollout: Rollout, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do an act that takes long and sits outages out by itself."""

    def tell(self, act: LibraryAct[P, T], rollout: Rollout, *args: P.args, **kwargs: P.kwargs) -> object:
        """Tell people by `act`, if this driver tells any."""

    def answer(self, rollout: Rollout, stage: int) -> Answer:
        """Return what a person answers to whether `stage` may begin.

        While nobody has answered it raises what ends this process; another one goes on once somebody has.
        """


@dataclass
class Alone:
    """Acts of a driver without an orchestrator: each is tried once, nobody is asked and nobody told."""

    world: World

    def do(self, act: LibraryAct[P, T], rollout: Rollout, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do it."""
        return act(self.world, rollout, *args, **kwargs)

    watch = do

    def tell(self, act: LibraryAct[P, T], rollout: Rollout, *args: P.args, **kwargs: P.kwargs) -> None:
        """Tell nobody."""

    def answer(self, rollout: Rollout, stage: int) -> Answer:
        """Raise RolloutError."""
        raise RolloutError(f"{rollout.id} wants an approval of {stage} %, and this driver has nobody to ask; plan none")


def drive(rollout: Rollout, acts: Acts) -> Rollout:
    """Do what comes next until the rollout has ended, wherever it stood before, and return it.

    Raises RolloutError when somebody else has taken it over, and an Outage when the world was away for longer than
    plan and `acts` allow.
    """
    token = rollout.token
    acts.tell(tell_started, rollout)
    while (act := next_act(rollout)) is not None:
        try:
            rollout = _perform(rollout, act, acts)
        except (HeadMovedError, StaleTokenError):
            rollout = acts.do(rejoin, rollout)
        if not rollout.final and rollout.token != token:  # not the name: one run may have two processes
            raise RolloutError(f"{rollout.id} was taken over by {rollout.driver}; this process stops")
    acts.tell(tell_ended, rollout)
    return rollout


def _perform(rollout: Rollout, act: Act, acts: Acts) -> Rollout:
    match act:
        case EnterStage(stage=stage):
            return acts.do(enter_stage, rollout, stage)
        case Observe() | Bake():
            return follow_decision(rollout, acts.watch(_watch_of(rollout), rollout), acts)
        case AwaitApproval(stage=stage):
            rollout = acts.do(ask, rollout, stage)
            acts.tell(tell_approval_wanted, rollout, stage)
            return acts.do(answer, rollout, stage, acts.answer(rollout, stage))
        case Promote():
            return acts.do(promote, rollout)
        case Conclude():
            return acts.do(conclude, rollout)
        case RollBack():
            return acts.do(roll_back, rollout)


def _watch_of(rollout: Rollout) -> Callable[[World, Rollout], Decision]:
    if isinstance(rollout.plan, ABTestPlan):
        return compare_variants
    return bake if rollout.phase is Phase.BAKING else observe


def follow_decision(rollout: Rollout, decision: Decision, acts: Acts) -> Rollout:
    """Write down what follows from how a stage, or the bake, was decided, and return the rollout after it."""
    if decision.verdict is not Verdict.PROMOTE:
        return acts.do(intend_roll_back, rollout, decision.reasons, trigger=decision.verdict.value)
    if rollout.phase is Phase.BAKING:
        return acts.do(finish, rollout, decision.reasons)
    rollout = acts.do(pass_stage, rollout, decision.reasons)
    acts.tell(tell_stage_passed, rollout)
    return rollout
