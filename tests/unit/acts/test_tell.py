"""People are told once, and nothing waits for them."""

from dataclasses import replace

from firstflight.acts.start import resume_or_start
from firstflight.acts.tell import notices_stream, tell_started
from firstflight.domain.errors import NotificationFailedError
from firstflight.notify.messages import Message
from firstflight.notify.notifier import Delivery
from tests.unit.acts.twin import PLAN, Twin


class Silent:
    """A notifier whose messages never arrive."""

    def send(self, message: Message) -> Delivery:
        """Fail."""
        raise NotificationFailedError(f"Slack did not answer about {message.kind}")


def test_an_event_is_told_once(twin: Twin) -> None:
    """A run that starts again from the top does not tell it again."""
    twin.champion()
    rollout = resume_or_start(twin.world, PLAN.model_copy(update={"candidate": twin.candidate().number}), run="run-1")
    assert tell_started(twin.world, rollout) is not None
    assert tell_started(twin.world, rollout) is None
    assert 1 == len(twin.world.ledger.read(notices_stream(rollout)))


def test_an_outage_is_kept_and_stops_nothing(twin: Twin) -> None:
    """What could not be delivered is on record with the reason."""
    twin.champion()
    rollout = resume_or_start(twin.world, PLAN.model_copy(update={"candidate": twin.candidate().number}), run="run-1")
    delivery = tell_started(replace(twin.world, notifier=Silent()), rollout)
    assert delivery is not None
    assert not delivery.delivered
    [record] = twin.world.ledger.read(notices_stream(rollout))
    assert "Slack did not answer" in record.body["reason"]
