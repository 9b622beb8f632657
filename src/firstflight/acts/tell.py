"""Tell people what happened, once for each event, and keep what was told."""

import logging
from collections.abc import Sequence
from datetime import timedelta

from firstflight.acts import notices
from firstflight.acts.impact import impact_of
from firstflight.acts.ledger_view import last_rollouts
from firstflight.decision.verdicts import Decision
from firstflight.domain.errors import LedgerError, NotificationFailedError, Outage
from firstflight.domain.plans import ABTestPlan
from firstflight.ledger.record import Record, RecordStore
from firstflight.notify.messages import Message
from firstflight.notify.notifier import Delivery
from firstflight.rollout.machine import UNREADABLE, Phase, Rollout
from firstflight.world import World

log = logging.getLogger(__name__)

NEWS = timedelta(hours=1)
"""What ended longer ago is history, and no reason to page anybody."""
OWED = "ledger"
"""Where a message is kept that should have reached people, and did not."""
_ENDED, _APPROVAL = "ended", "approval of "


def notices_stream(rollout: Rollout) -> str:
    """Name of the stream that holds what was told of `rollout`."""
    return f"notices/{rollout.id}"


def tell_started(world: World, rollout: Rollout) -> Delivery | None:
    """Tell that the rollout has begun."""
    return _tell(world, rollout, "started", notices.started(rollout, world.link(rollout.run)))


def tell_stage_passed(world: World, rollout: Rollout) -> Delivery | None:
    """Tell that a stage of a canary is good; the only one of an A/B test is told of by its end."""
    if isinstance(rollout.plan, ABTestPlan):
        return None
    message = notices.stage_passed(rollout, world.link(rollout.driver))
    return _tell(world, rollout, f"stage {rollout.passed[-1]} passed", message)


def tell_approval_wanted(world: World, rollout: Rollout, stage: int) -> Delivery | None:
    """Tell that a person is asked, and where to answer."""
    message = notices.approval_wanted(rollout, stage, world.link(rollout.driver))
    return _tell(world, rollout, f"{_APPROVAL}{stage}", message)


def tell_home_fails(world: World, rollout: Rollout, decision: Decision) -> Delivery | None:
    """Tell that the stable model fails and the split is held, once for each stage and kind of failure."""
    event = f"stable fails at {rollout.stage} %: {', '.join(decision.failing) or 'silent'}"
    message = notices.home_fails(rollout, decision, world.link(rollout.driver))
    return _tell(world, rollout, event + (", and so does the candidate" if decision.broken else ""), message)


def tell_ended(world: World, rollout: Rollout) -> Delivery | None:
    """Tell how the rollout ended."""
    return _tell(world, rollout, _ENDED, notices.ended(rollout, impact_of(world, rollout), world.link(rollout.run)))


def tell_missed_rollbacks(world: World) -> tuple[Rollout, ...]:
    """Tell of each model's last rollout, when it was rolled back lately and nobody has said so; return those.

    Who ended it may have died before that, or had no way to.
    """
    return tuple(
        rollout
        for rollout in last_rollouts(world.ledger)
        if rollout.phase is Phase.ROLLED_BACK
        and rollout.ended_at is not None
        and world.ledger.now() - rollout.ended_at < NEWS
        and tell_ended(world, rollout)
    )


def retell(world: World) -> tuple[str, ...]:
    """Send again what did not arrive, of each model's last rollout and while it is news, and return what was told now.

    A question that has been answered, and what came before an end, is news no more.
    """
    told = []
    for rollout in last_rollouts(world.ledger):
        if rollout.ended_at is not None and world.ledger.now() - rollout.ended_at >= NEWS:
            continue
        records = world.ledger.read(notices_stream(rollout))
        for record in _owed(records):
            if not _is_news(world, rollout, record):
                continue
            try:
                message = Message.model_validate(record.body["message"])
            except UNREADABLE:  # an older one, of which only the text was kept
                continue
            event = str(record.body["event"])
            if (delivery := _sent(world, rollout, event, message)).delivered:
                _keep(world, rollout, event, message, delivery)
                told.append(f"{rollout.id}: {event}")
    return tuple(told)


def owed(ledger: RecordStore, rollout: Rollout) -> int:
    """Return how many messages about `rollout` should have reached people and did not, news or not."""
    return len(_owed(ledger.read(notices_stream(rollout))))


def _owed(records: Sequence[Record]) -> list[Record]:
    return [one for one in _last_of_each(records).values() if _is_owed(one)]


def _last_of_each(records: Sequence[Record]) -> dict[object, Record]:
    return {record.body.get("event"): record for record in records}


def _is_owed(record: Record) -> bool:
    """Whether it was refused, or nobody answered: what is kept in the log because nobody is to be told is not owed."""
    return record.body.get("delivered") is False and record.body.get("where") == OWED


def _is_news(world: World, rollout: Rollout, record: Record) -> bool:
    if world.ledger.now() - record.at >= NEWS:
        return False
    event = str(record.body.get("event"))
    if event.startswith(_APPROVAL):
        return rollout.phase is Phase.AWAITING_APPROVAL and event == f"{_APPROVAL}{max(rollout.asked)}"
    return event == _ENDED or not rollout.final


def _tell(world: World, rollout: Rollout, event: str, message: Message) -> Delivery | None:
    """Send `message` unless `event` of this rollout has been told, and keep it with how it was delivered.

    A message that cannot be delivered is kept with the reason, and sent again while it is news: the rollout does not
    wait for Slack. Returns None when the event had been told before, or tried: `retell` has it.
    """
    if event in _last_of_each(world.ledger.read(notices_stream(rollout))):
        return None
    delivery = _sent(world, rollout, event, message)
    _keep(world, rollout, event, message, delivery)
    return delivery


def _sent(world: World, rollout: Rollout, event: str, message: Message) -> Delivery:
    try:
        return world.notifier.send(message)
    except NotificationFailedError as error:
        log.warning("%s: %s could not be told: %s", rollout.id, event, error)
        return Delivery(delivered=False, where=OWED, reason=str(error))


def _keep(world: World, rollout: Rollout, event: str, message: Message, delivery: Delivery) -> None:
    said = delivery.model_dump(mode="json")
    body = {"event": event, "kind": message.kind, "text": message.text, "message": message.model_dump(mode="json")}
    try:
        world.ledger.append(notices_stream(rollout), "notice.sent", {**body, **said}, actor=rollout.driver)
    except (Outage, LedgerError) as error:  # people have been told: the same again would only page them twice
        log.warning("%s: that %s was told could not be written down: %s", rollout.id, event, error)
