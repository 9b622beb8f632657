"""Tell people what happened, once for each event, and keep what was told."""

import logging
from datetime import timedelta

from firstflight.acts import notices
from firstflight.acts.impact import impact_of
from firstflight.acts.ledger_view import last_rollouts
from firstflight.decision.verdicts import Decision
from firstflight.domain.errors import NotificationFailedError
from firstflight.domain.plans import ABTestPlan
from firstflight.notify.messages import Message
from firstflight.notify.notifier import Delivery
from firstflight.rollout.machine import Phase, Rollout
from firstflight.world import World

log = logging.getLogger(__name__)

NEWS = timedelta(hours=1)
"""What ended longer ago is history, and no reason to page anybody."""


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
    return _tell(world, rollout, f"approval of {stage}", message)


def tell_home_fails(world: World, rollout: Rollout, decision: Decision) -> Delivery | None:
    """Tell that the stable model fails and the split is held, once for each stage and kind of failure."""
    event = f"stable fails at {rollout.stage} %: {', '.join(decision.failing) or 'silent'}"
    message = notices.home_fails(rollout, decision, world.link(rollout.driver))
    return _tell(world, rollout, event + (", and so does the candidate" if decision.broken else ""), message)


def tell_ended(world: World, rollout: Rollout) -> Delivery | None:
    """Tell how the rollout ended."""
    return _tell(world, rollout, "ended", notices.ended(rollout, impact_of(world, rollout), world.link(rollout.run)))


def tell_missed_rollbacks(world: World) -> tuple[Rollout, ...]:
    """Tell of each model's last rollout, when it was rolled back lately and nobody has said so; return those.

    Who ended it may have died before that, or had no way to.
    """
    return tuple(
        rollout
        for rollout in last_rollouts(world.ledger)
        if rollout.phase is Phase.ROLLED_BACK
        and rollout.ended_at is not None
        and world.now() - rollout.ended_at < NEWS
        and tell_ended(world, rollout)
    )


def _tell(world: World, rollout: Rollout, event: str, message: Message) -> Delivery | None:
    """Send `message` unless `event` of this rollout has been told, and keep it with how it was delivered.

    A message that cannot be delivered is kept with the reason: the rollout does not wait for Slack.
    Returns None when the event had been told before.
    """
    stream = notices_stream(rollout)
    if any(record.body["event"] == event for record in world.ledger.read(stream)):
        return None
    try:
        delivery = world.notifier.send(message)
    except NotificationFailedError as error:
        log.warning("%s: %s could not be told: %s", rollout.id, event, error)
        delivery = Delivery(delivered=False, where="ledger", reason=str(error))
    body = {"event": event, "kind": message.kind, "text": message.text, **delivery.model_dump(mode="json")}
    world.ledger.append(stream, "notice.sent", body, actor=rollout.driver)
    return delivery
