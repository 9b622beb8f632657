"""People are told once, and nothing waits for them."""

from dataclasses import replace

from firstflight.acts.lease import renew_lease
from firstflight.acts.ledger_view import append
from firstflight.acts.start import resume_or_start
from firstflight.acts.tell import NEWS, notices_stream, retell, tell_approval_wanted, tell_started
from firstflight.domain.errors import NotificationFailedError
from firstflight.guard.guard import Guard
from firstflight.notify.messages import Message
from firstflight.notify.notifier import Delivery
from tests.unit.acts.test_outages import Pager, read_only
from tests.unit.acts.twin import PLAN, Twin, begun, in_first_stage


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


def test_what_did_not_arrive_is_sent_again_while_it_is_news(twin: Twin) -> None:
    """Slack refuses once: the guard's next try is heard, and after it nothing is owed."""
    twin.champion()
    rollout = resume_or_start(twin.world, PLAN.model_copy(update={"candidate": twin.candidate().number}), run="run-1")
    tell_started(replace(twin.world, notifier=Silent()), rollout)
    assert () == retell(replace(twin.world, notifier=Silent()))
    assert 1 == len(twin.world.ledger.read(notices_stream(rollout)))
    pager = Pager()
    assert (f"{rollout.id}: started",) == retell(replace(twin.world, notifier=pager))
    assert () == retell(replace(twin.world, notifier=pager))
    assert ["started"] == [message.kind for message in pager.sent]
    assert [False, True] == [record.body["delivered"] for record in twin.world.ledger.read(notices_stream(rollout))]


def test_what_is_no_news_any_more_is_left(twin: Twin) -> None:
    """An hour later, or once a question has been answered, nobody is paged for it."""
    rollout = begun(twin, approvals=(10,))
    asked = append(twin.world.ledger, rollout, "approval.asked", {"stage": 10, "link": "here"})
    tell_approval_wanted(replace(twin.world, notifier=Silent()), asked, 10)
    answer = {"stage": 10, "decision": "approve", "approver": "ada", "comment": ""}
    pager = Pager()
    answered = append(twin.world.ledger, asked, "approval.answered", answer)
    assert () == retell(replace(twin.world, notifier=pager))
    tell_started(replace(twin.world, notifier=Silent()), answered)
    twin.wait(NEWS.total_seconds())
    assert () == retell(replace(twin.world, notifier=pager))
    assert [] == pager.sent


def test_the_guard_tells_what_slack_refused(twin: Twin) -> None:
    """Nobody restarts anything: within a minute people know, in the ledger's name or, without it, in the guard's."""
    rollout = in_first_stage(twin)
    tell_started(replace(twin.world, notifier=Silent()), rollout)
    guard, pager = Guard(twin.world, monotonic=lambda: twin.time.now), Pager()
    guard.world = replace(twin.world, notifier=Silent(), ledger=twin.world.ledger)
    twin.backend.evict(rollout.candidate.served_name)
    guard.round()
    guard.world = replace(twin.world, notifier=pager)
    for _ in range(20):
        twin.wait(3)
        guard.round()
    assert ["rolled back"] == [message.kind for message in pager.sent]


def test_nobody_is_told_twice_of_what_could_not_be_written_down(twin: Twin) -> None:
    """The message arrived, the record did not: the rollout goes on, and whoever repeats the act does not page again."""
    rollout = in_first_stage(twin)
    world, pager = read_only(twin)
    assert tell_started(world, rollout) is not None
    assert 1 == len(pager.sent)


def test_no_round_of_the_guard_waits_for_what_is_told_again(twin: Twin) -> None:
    """A chat that hangs is asked aside: the round itself sends nothing, and goes on to the next route."""
    rollout = in_first_stage(twin)
    tell_started(replace(twin.world, notifier=Silent()), rollout)
    pager, aside = Pager(), []
    guard = Guard(replace(twin.world, notifier=pager), monotonic=lambda: twin.time.now, aside=aside.append)
    for _ in range(11):
        twin.wait(3)
        renew_lease(twin.world, rollout)
        guard.round()
    assert [] == pager.sent
    [duty] = aside
    duty()
    assert ["started"] == [message.kind for message in pager.sent]
