"""The drill's own route, in memory: copies of the champion come and go, and nothing else is touched."""

from pathlib import Path

import pytest

from firstflight.acts.freeze import begin_freeze
from firstflight.acts.ledger_view import current
from firstflight.acts.start import resume_or_start
from firstflight.domain.errors import NoStableModelError, RolloutError
from firstflight.domain.faults import FAULT_FILE, Fault
from firstflight.domain.traffic import TrafficSplit
from firstflight.drill.route import drill_route
from firstflight.rollout.freeze import Freeze
from firstflight.rollout.machine import Phase
from firstflight.settings import Settings
from tests.unit.acts.twin import MODEL, PLAN, Twin

ROUTE = f"{MODEL}-drill"
STABLE = f"{ROUTE}-predictor-v1"
ERRORS = Fault(kind="errors")


@pytest.fixture
def twin(twin: Twin) -> Twin:
    """A world in memory with a champion."""
    twin.champion()
    return twin


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Where the drill's lock lies."""
    return Settings(home=tmp_path / "home")


def test_a_copy_of_the_champion_has_all_of_the_drills_traffic(twin: Twin, settings: Settings, tmp_path: Path) -> None:
    """The copy is another version under another name; the model's own split and servers stay as they were."""
    before = twin.backend.get_traffic(MODEL)
    with drill_route(twin.world, settings, MODEL, "ada") as route:
        assert TrafficSplit.all_to(STABLE) == twin.backend.get_traffic(ROUTE)
        assert twin.world.registry.get(MODEL, "champion").digest == route.stable.digest
        candidate = route.candidate(ERRORS)
        fetched = twin.world.registry.fetch(candidate, tmp_path / "fetched")
        assert (fetched / FAULT_FILE).exists()
        assert twin.backend.is_ready(candidate.served_name)
    assert before == twin.backend.get_traffic(MODEL)
    assert {"baseline-predictor-v1"} == twin.backend.served()


def test_a_second_drill_finds_the_copies_of_the_first(twin: Twin, settings: Settings) -> None:
    """No version is registered twice, and none is served before it is wanted."""
    for _ in range(2):
        with drill_route(twin.world, settings, MODEL, "ada") as route:
            route.candidate(ERRORS)
            route.candidate(None)
    assert 3 == len(twin.world.registry.versions(ROUTE))


def test_a_new_champion_takes_the_place_of_the_old_ones_copy(twin: Twin, settings: Settings) -> None:
    """The route follows the champion from drill to drill."""
    with drill_route(twin.world, settings, MODEL, "ada"):
        pass
    twin.world.registry.set_alias(twin.candidate(), "champion")
    with drill_route(twin.world, settings, MODEL, "ada") as route:
        assert 2 == route.stable.number
        assert TrafficSplit.all_to(route.stable.served_name) == twin.backend.get_traffic(ROUTE)


def test_a_sound_candidate_stays_for_the_next_fault_and_a_broken_one_does_not(twin: Twin, settings: Settings) -> None:
    """What is broken or down is taken away at once."""
    with drill_route(twin.world, settings, MODEL, "ada") as route:
        sound, faulty = route.candidate(None), route.candidate(ERRORS)
        route.dismiss(sound)
        route.dismiss(faulty)
        assert {sound.served_name, STABLE, "baseline-predictor-v1"} == twin.backend.served()


def test_a_drill_that_fails_leaves_nothing_open(twin: Twin, settings: Settings) -> None:
    """Whatever goes wrong inside, the rollout is brought home and the copies are stopped."""

    def fail() -> None:
        with drill_route(twin.world, settings, MODEL, "ada") as route:
            plan = PLAN.model_copy(update={"model": ROUTE, "candidate": route.candidate(None).number, "stable": 1})
            resume_or_start(twin.world, plan, run="drill")
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fail()
    told = current(twin.world.ledger, ROUTE)
    assert told is not None
    assert Phase.ROLLED_BACK is told.phase
    assert {"baseline-predictor-v1"} == twin.backend.served()


def test_an_open_rollout_on_the_route_is_not_disturbed(twin: Twin, settings: Settings, tmp_path: Path) -> None:
    """Somebody drills there already, or was killed while drilling: it is named, and left alone."""
    with drill_route(twin.world, settings, MODEL, "ada") as route:
        plan = PLAN.model_copy(update={"model": ROUTE, "candidate": route.candidate(None).number, "stable": 1})
        resume_or_start(twin.world, plan, run="drill")
        elsewhere = Settings(home=tmp_path / "elsewhere")
        with (
            pytest.raises(RolloutError, match=f"{ROUTE}-r1"),
            drill_route(twin.world, elsewhere, MODEL, "bob"),
        ):
            pass


def test_two_drills_at_once_are_refused(twin: Twin, settings: Settings) -> None:
    """The second says that the first runs."""
    with (
        drill_route(twin.world, settings, MODEL, "ada"),
        pytest.raises(RolloutError, match="another fire drill runs"),
        drill_route(twin.world, settings, MODEL, "bob"),
    ):
        pass


def test_a_freeze_holds_for_drills_too(twin: Twin, settings: Settings) -> None:
    """Nothing begins while the line is stopped."""
    begin_freeze(twin.world.ledger, Freeze(by="ada", reason="incident", since=twin.world.now()))
    with pytest.raises(RolloutError, match="may begin"), drill_route(twin.world, settings, MODEL, "bob"):
        pass


def test_without_a_champion_there_is_nothing_to_copy(tmp_path: Path) -> None:
    """The error says what to do."""
    twin = Twin()
    with (
        pytest.raises(NoStableModelError, match="has no champion"),
        drill_route(twin.world, Settings(home=tmp_path / "home"), MODEL, "ada"),
    ):
        pass
