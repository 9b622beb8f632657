"""What the form `roll-back` does with what a person left empty."""

import pytest

import tasks.homecoming
from firstflight.acts.ledger_view import current
from firstflight.domain.errors import TrafficNotAppliedError
from firstflight.rollout.machine import Phase
from firstflight.settings import Settings
from firstflight.world import World
from tests.unit.acts.twin import MODEL, Twin, in_first_stage


@pytest.fixture(autouse=True)
def _here(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    def world(_settings: Settings) -> World:
        return twin.world

    monkeypatch.setattr(tasks.homecoming, "open_world", world)


def test_the_form_with_its_defaults_brings_everything_home(twin: Twin) -> None:
    """Neither a model nor a run was named: all that is open ends, and a second time there is nothing to do."""
    rollout = in_first_stage(twin)
    [ended] = tasks.homecoming.bring_home.fn(None, None, "asked for by a person", "ada")
    assert (rollout.id, Phase.ROLLED_BACK) == (ended.id, ended.phase)
    assert "ada" == ended.driver
    assert rollout.home == twin.world.backend.get_traffic(MODEL)
    assert [] == tasks.homecoming.bring_home.fn(None, None, "once more", "ada")
    assert "nothing was open" == tasks.homecoming.outcome([]).message


def test_what_does_not_come_home_is_an_error(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run fails and says of which and why; nothing is called home that is not."""
    rollout = in_first_stage(twin)

    def refuse(*_: object) -> None:
        raise TrafficNotAppliedError(f"{MODEL}: the router refuses")

    monkeypatch.setattr(twin.world.backend, "go_home", refuse)
    monkeypatch.setattr(twin.world.backend, "evict", refuse)
    with pytest.raises(TrafficNotAppliedError, match=f"1 not brought home, 0 are: {MODEL}: .*the router refuses"):
        tasks.homecoming.bring_home.fn(None, None, "stop", "ada")
    told = current(twin.world.ledger, MODEL)
    assert told is not None
    assert (rollout.id, Phase.OBSERVING) == (told.id, told.phase)
