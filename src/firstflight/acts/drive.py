"""Drive a rollout without an orchestrator: do what comes next, until nothing is left."""

from firstflight.acts.approve import answer, ask
from firstflight.acts.compare import compare_variants
from firstflight.acts.enter_stage import enter_stage, pass_stage
from firstflight.acts.ledger_view import reread
from firstflight.acts.observe import OnCheck, bake, observe
from firstflight.acts.promote import conclude, finish, promote
from firstflight.acts.roll_back import intend_roll_back, rejoin, roll_back
from firstflight.decision.verdicts import Decision, Verdict
from firstflight.domain.errors import HeadMovedError, RolloutError, StaleTokenError
from firstflight.domain.plans import ABTestPlan
from firstflight.domain.samples import Look
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


def unwatched(_look: Look, _decision: Decision) -> None:
    """No one watches."""


def drive(world: World, rollout: Rollout, given: Answer | None = None, on_check: OnCheck = unwatched) -> Rollout:
    """Do what comes next until the rollout has ended, and return it; `given` answers whenever a person is asked.

    Without `given` the rollout is returned as soon as it waits for a person. Raises RolloutError when somebody
    else has taken it over, and an Outage when the world was away for longer than the plan allows.
    """
    driver, token = rollout.driver, rollout.token
    while (act := next_act(rollout)) is not None:
        try:
            rollout = _perform(world, rollout, act, given, on_check)
        except (HeadMovedError, StaleTokenError):
            rollout = rejoin(world, rollout)
        if not rollout.final and rollout.token != token:  # not the name: one run may have two processes
            raise RolloutError(f"{rollout.id} was taken over by {rollout.driver}; {driver} stops")
        if rollout.phase is Phase.AWAITING_APPROVAL and given is None:
            return rollout
    return rollout


def _perform(world: World, rollout: Rollout, act: Act, given: Answer | None, on_check: OnCheck) -> Rollout:
    match act:
        case EnterStage(stage=stage):
            return enter_stage(world, rollout, stage)
        case Observe() | Bake():
            return _follow(world, rollout, _watch(world, rollout, on_check))
        case AwaitApproval(stage=stage):
            rollout = ask(world, rollout, stage, link=rollout.run)
            return answer(world, rollout, stage, given) if given else rollout
        case Promote():
            return promote(world, rollout)
        case Conclude():
            return conclude(world, rollout)
        case RollBack():
            return roll_back(world, rollout)


def _watch(world: World, rollout: Rollout, on_check: OnCheck) -> Decision | None:
    if isinstance(rollout.plan, ABTestPlan):
        return compare_variants(world, rollout, on_check)
    return (bake if rollout.phase is Phase.BAKING else observe)(world, rollout, on_check)


def _follow(world: World, rollout: Rollout, decision: Decision | None) -> Rollout:
    if decision is None:
        return reread(world.ledger, rollout)
    if decision.verdict is not Verdict.PROMOTE:
        return intend_roll_back(world, rollout, decision.reasons, trigger=decision.verdict.value)
    if rollout.phase is Phase.BAKING:
        return finish(world, rollout, decision.reasons)
    return pass_stage(world, rollout, decision.reasons)
