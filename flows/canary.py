"""Send more and more of a model's traffic to a candidate, and bring it home when it falters."""

from prefect import flow
from prefect.client.schemas import State

from firstflight.decision.verdicts import Decision, Verdict
from firstflight.domain.errors import HeadMovedError, RolloutError, StaleTokenError
from firstflight.domain.plans import ABTestPlan, CanaryPlan
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
from flows.roll_back import bring_run_home
from tasks import approval, notices, reports, rollouts


@flow(on_failure=[bring_run_home], on_crashed=[bring_run_home], on_cancellation=[bring_run_home])
def canary(plan: CanaryPlan) -> State[Rollout]:
    """Try the plan's candidate on live traffic, stage by stage; promote it, or roll back."""
    rollout = drive(rollouts.begin_canary(plan))
    reports.write_report(rollout)
    return reports.outcome(rollout)


def drive(rollout: Rollout) -> Rollout:
    """Do what comes next until the rollout has ended, wherever it stood before."""
    token = rollout.token
    notices.started(rollout)
    while (act := next_act(rollout)) is not None:
        try:
            rollout = perform(rollout, act)
        except (HeadMovedError, StaleTokenError):
            rollout = rollouts.rejoin(rollout)
        if not rollout.final and rollout.token != token:  # not the name: the same run may have another process
            raise RolloutError(f"{rollout.id} was taken over by {rollout.driver}; this run stops")
    notices.ended(rollout)
    return rollout


def perform(rollout: Rollout, act: Act) -> Rollout:
    """Do one act and return the rollout after it."""
    match act:
        case EnterStage(stage=stage):
            return rollouts.enter_stage(rollout, stage)
        case Observe() | Bake():
            return _follow(rollout, _watch(rollout))
        case AwaitApproval(stage=stage):
            rollout = approval.ask(rollout, stage)
            notices.approval_wanted(rollout, stage)
            return approval.record_answer(rollout, stage, approval.wait_for_answer(rollout, stage))
        case Promote():
            return rollouts.promote(rollout)
        case Conclude():
            return rollouts.conclude(rollout)
        case RollBack():
            return rollouts.roll_back(rollout)


def _watch(rollout: Rollout) -> Decision | None:
    if isinstance(rollout.plan, ABTestPlan):
        return rollouts.compare(rollout)
    return rollouts.bake(rollout) if rollout.phase is Phase.BAKING else rollouts.observe(rollout)


def _follow(rollout: Rollout, decision: Decision | None) -> Rollout:
    if decision is None:
        return rollouts.reread(rollout)
    if decision.verdict is not Verdict.PROMOTE:
        return rollouts.intend_roll_back(rollout, decision)
    if rollout.phase is Phase.BAKING:
        return rollouts.finish(rollout, decision)
    rollout = rollouts.pass_stage(rollout, decision)
    notices.stage_passed(rollout)
    return rollout
