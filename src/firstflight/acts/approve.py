"""Ask a person before a stage, and write down the answer."""

from contextlib import suppress

from firstflight.acts.lease import renew_lease, surrender_lease
from firstflight.acts.ledger_view import append, checks, of_run, open_rollouts
from firstflight.acts.roll_back import bring_home
from firstflight.acts.take_over import surrendered, take_over
from firstflight.domain.errors import ApprovalRefusedError, HeadMovedError, Outage
from firstflight.domain.wording import visible
from firstflight.rollout import approval
from firstflight.rollout.approval import Answer
from firstflight.rollout.machine import Phase, Rollout
from firstflight.serving.lease import Surrender
from firstflight.world import World

LATEST = "latest"


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


def asked(world: World, run: str) -> Rollout:
    """Return the rollout about which flow run `run`, or the `latest` that asked, waits for an answer.

    The ledger is asked, not the orchestrator: that may still offer a question that nobody needs answered.

    Raises:
        ApprovalRefusedError: No rollout of it waits; the message says what became of it, and who does wait.
    """
    waiting = [one for one in open_rollouts(world.ledger) if one.phase is Phase.AWAITING_APPROVAL]
    waiting.sort(key=lambda one: max(one.asked.values()))
    found = waiting[-1:] if run == LATEST else [one for one in waiting if run in {one.run, one.driver}]
    if not found:
        listed = ", ".join(f"{one.driver} ({one.id}, before {max(one.asked)} %)" for one in waiting) or "none"
        raise ApprovalRefusedError(
            f"run {run!r} does not wait for an answer{_what_became(world, run)}; runs that do: {listed}"
        )
    [rollout] = found
    if (why := surrendered(world, rollout)) is not None:
        raise ApprovalRefusedError(f"{rollout.id} is being brought home by {why.actor}: {why.reason}")
    return rollout


def _what_became(world: World, run: str) -> str:
    told = of_run(world.ledger, run)
    return f": {told[-1].id} is {told[-1].phase}, {'; '.join(told[-1].reasons) or 'nobody is asked'}" if told else ""


def reject(world: World, rollout: Rollout, given: Answer) -> Rollout:
    """Take a no at once, before any process of the run is there: home first, and return the rollout as it ended."""
    why = Surrender(
        actor=given.approver, reason=visible(f"{given.approver} rejected: {given.comment}"), trigger="person"
    )
    surrender_lease(world, rollout.model, why)
    with suppress(HeadMovedError):  # whoever moved it meanwhile: it goes home all the same
        rollout = answer(world, take_over(world, rollout, actor=given.approver), max(rollout.asked), given)
    return bring_home(world, rollout, why)
