"""Ask a person before a stage, and write down the answer."""

from firstflight.acts.lease import renew_lease
from firstflight.acts.ledger_view import append
from firstflight.rollout.approval import Answer
from firstflight.rollout.machine import Rollout
from firstflight.world import World


def ask(world: World, rollout: Rollout, stage: int) -> Rollout:
    """Write down that a person is asked before `stage`, once; the deadline counts from there.

    The lease lasts until then: nobody is there to renew it, and the guard keeps watch.
    """
    if stage not in rollout.asked:
        rollout = append(world.ledger, rollout, "approval.asked", {"stage": stage, "link": world.link(rollout.driver)})
    renew_lease(world, rollout, extra=max(0.0, (rollout.answer_by(stage) - world.now()).total_seconds()))
    return rollout


def answer(world: World, rollout: Rollout, stage: int, given: Answer) -> Rollout:
    """Write down the answer; a rejection leads to rolling back."""
    return append(
        world.ledger, rollout, "approval.answered", {"stage": stage, **given.model_dump()}, actor=given.approver
    )
