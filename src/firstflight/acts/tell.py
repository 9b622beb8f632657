"""Tell people what happened, once for each event, and keep what was told."""

import logging

from firstflight.domain.errors import NotificationFailedError
from firstflight.notify.messages import Message
from firstflight.notify.notifier import Delivery
from firstflight.rollout.machine import Rollout
from firstflight.world import World

log = logging.getLogger(__name__)


def notices_stream(rollout: Rollout) -> str:
    """Name of the stream that holds what was told of `rollout`."""
    return f"notices/{rollout.id}"


def tell(world: World, rollout: Rollout, event: str, message: Message) -> Delivery | None:
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
