"""The one door through which people are told, and the notifier for places without Slack."""

import logging
from typing import Protocol

from firstflight.domain.values import Value
from firstflight.notify.messages import Message

log = logging.getLogger(__name__)


class Delivery(Value):
    """Where a message ended up; `reason` is the receipt, or why nobody was reached."""

    delivered: bool
    where: str
    reason: str


class Notifier(Protocol):
    """Tells people. One call is one message: that an event is told once is the caller's care."""

    def send(self, message: Message) -> Delivery:
        """Send `message` and say where it ended up.

        Raises:
            NotificationFailedError: It could not be delivered. Whoever moves traffic goes on all the same.
        """


class LogNotifier:
    """Writes messages to the log; `reason` says why that is all."""

    def __init__(self, reason: str = "no Slack token configured") -> None:
        self._reason = f"{reason}: kept in the log and the report"

    def send(self, message: Message) -> Delivery:
        """Write `message` to the log."""
        log.info("%s\n  (%s)", message.text, self._reason)
        return Delivery(delivered=False, where="log", reason=self._reason)
