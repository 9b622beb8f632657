"""A stable model that is silent is told of once, and started again until it answers."""

from dataclasses import replace
from pathlib import Path

import pytest

from firstflight.domain.errors import BackendUnavailableError, NotificationFailedError
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.versions import ModelVersion
from firstflight.guard.stable_watch import AGAIN_SECONDS, ALARM_SECONDS, REVIVE_SECONDS, StableWatch
from firstflight.notify.messages import Message
from firstflight.notify.notifier import Delivery
from firstflight.serving.memory import MemoryBackend
from firstflight.settings import Settings
from firstflight.world import open_world

STABLE = "baseline-predictor-v1"


class Stubborn(MemoryBackend):
    """A backend whose servers come back when `helps`; it keeps the names that were to be revived."""

    def __init__(self) -> None:
        """Serve one stable model to one route."""
        super().__init__()
        self.helps, self.revived = False, list[str]()
        self.versions[STABLE] = ModelVersion(model="m", variant="baseline", number=1, digest="sha256:" + 64 * "0")
        self.put("m", TrafficSplit.all_to(STABLE))

    def revive(self, name: str) -> None:
        """Note it, and help if it does."""
        self.revived.append(name)
        if self.helps:
            super().revive(name)


class People:
    """Keeps what they were told; cannot be reached while `away`."""

    def __init__(self) -> None:
        self.told, self.away = list[Message](), False

    def send(self, message: Message) -> Delivery:
        """Take the message."""
        if self.away:
            raise NotificationFailedError("away")
        self.told.append(message)
        return Delivery(delivered=True, where="here", reason="")


class Watched:
    """A watch with a backend, people and a clock of its own."""

    def __init__(self, home: Path) -> None:
        self.backend, self.people, self.now = Stubborn(), People(), 0.0
        world = replace(open_world(Settings(home=home)), backend=self.backend, notifier=self.people)
        self.watch = StableWatch(world, monotonic=lambda: self.now)

    def look(self, at: float) -> None:
        """Look at that time."""
        self.now = at
        self.watch.look()


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    """A stable model that is well."""
    return Watched(tmp_path)


def test_one_that_is_well_is_nobodys_business(watched: Watched) -> None:
    """No word, no restart; nor of one that answers again before anybody is called."""
    watched.look(0)
    watched.backend.dead.add(STABLE)
    watched.look(5)
    watched.backend.dead.clear()
    watched.look(REVIVE_SECONDS)
    assert ([], []) == (watched.people.told, watched.backend.revived)


def test_one_that_is_silent_is_told_of_once_and_started_until_it_answers(watched: Watched) -> None:
    """No rollout is needed for that."""
    watched.backend.dead.add(STABLE)
    for at in (0, ALARM_SECONDS, ALARM_SECONDS + 5, REVIVE_SECONDS, REVIVE_SECONDS + 5):
        watched.look(at)
    assert ["m: baseline-predictor-v1, the stable model, does not answer"] == [m.headline for m in watched.people.told]
    assert [STABLE] == watched.backend.revived
    watched.backend.helps = True
    watched.look(REVIVE_SECONDS + AGAIN_SECONDS)
    watched.look(REVIVE_SECONDS + AGAIN_SECONDS + 5)
    assert [STABLE] * 2 == watched.backend.revived
    assert watched.backend.is_ready(STABLE)
    assert 1 == len(watched.people.told)


def test_whom_nobody_could_tell_is_told_later(watched: Watched) -> None:
    """As long as it is so."""
    watched.backend.dead.add(STABLE)
    watched.people.away = True
    watched.look(0)
    watched.look(ALARM_SECONDS)
    watched.people.away = False
    watched.look(ALARM_SECONDS + 5)
    assert 1 == len(watched.people.told)


def test_a_router_that_is_silent_is_an_alarm(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is answered then, whatever the models do."""

    def away() -> dict[str, str]:
        raise BackendUnavailableError("away")

    monkeypatch.setattr(watched.backend, "stables", away)
    for at in (0, ALARM_SECONDS, REVIVE_SECONDS):
        watched.look(at)
    assert ["gateway: the gateway does not answer"] == [message.headline for message in watched.people.told]
    assert [] == watched.backend.revived


def test_one_that_was_stopped_on_purpose_stays_so(watched: Watched) -> None:
    """A fire drill's models are evicted when it ends."""
    watched.backend.evict(STABLE)
    for at in (0, ALARM_SECONDS, REVIVE_SECONDS):
        watched.look(at)
    assert ([], []) == (watched.people.told, watched.backend.revived)
