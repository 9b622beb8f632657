"""Ask a person before a stage, and write down the answer."""

from contextlib import suppress

from firstflight.acts.lease import renew_lease, surrender_lease
from firstflight.acts.ledger_view import append, checks
from firstflight.acts.roll_back import bring_home
from firstflight.acts.take_over import take_over
from firstflight.domain.errors import HeadMovedError, Outage
from firstflight.domain.wording import visible
from firstflight.rollout import approval
from firstflight.rollout.approval import Answer
from firstflight.rollout.machine import Rollout
from firstflight.serving.lease import Surrender
from firstflight.world import World


def ask(world: World, rollout: Rollout, stage: int) -> Rollout:
    """Write down that a person is asked before `stage`, once; the deadline counts from there.

    The lease lasts until then: nobody is there to renew it, and the guard keeps watch.
    """
    if stage not in rollout.asked:
        rollout = append(world.ledger, rollout, "approval.asked", {"stage": stage, "link": world.link(rollout.driver)})
    renew_lease(world, rollout, extra=max(0.0, seconds_left(world, rollout, stage)))
    return rollout


def seconds_left(world: World, rollout: Rollout, stage: int) -> float:
    """Return for how long an answer about `stage` counts yet, by the clock that dated the question where it answers."""
    try:
        now = world.ledger.now()
    except Outage:
        now = world.now()
    return (rollout.answer_by(stage) - now).total_seconds()


def question(world: World, rollout: Rollout, stage: int, report: str) -> str:
    """Return what a person has to know before they answer for `stage`; `report` is where the whole story stands."""
    made = checks(world.ledger, rollout)
    return approval.question(rollout, stage, made[-1][1] if made else None, report)


def answer(world: World, rollout: Rollout, stage: int, given: Answer) -> Rollout:
    """Write down the answer; a rejection leads to rolling back."""
    return append(
        world.ledger, rollout, "approval.answered", {"stage": stage, **given.model_dump()}, actor=given.approver
    )


def refused(given: Answer) -> Surrender:
    """Return who wants traffic home, and why, by a no."""
    return Surrender(
        actor=given.approver, reason=visible(f"{given.approver} rejected: {given.comment}"), trigger="person"
    )


def reject(world: World, rollout: Rollout, given: Answer) -> Rollout:
    """Take a no at once, before any process of the run is there: home first, and return the rollout as it ended."""
    why = refused(given)
    surrender_lease(world, rollout.model, why)
    with suppress(HeadMovedError):  # whoever moved it meanwhile: it goes home all the same
        rollout = answer(world, take_over(world, rollout, actor=given.approver), max(rollout.asked), given)
    return bring_home(world, rollout, why)
