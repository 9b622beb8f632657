"""A stable model that fails is no home: the split is held, people are told, and a person may promote at once."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from firstflight.acts.homecoming import bring_model_home, bring_orphans_home, bring_run_home
from firstflight.acts.ledger_view import checks, current
from firstflight.acts.promote import order_promotion
from firstflight.acts.start import resume_or_start
from firstflight.acts.tell import notices_stream
from firstflight.decision.verdicts import Verdict
from firstflight.domain.errors import RolloutError
from firstflight.domain.traffic import TrafficSplit
from firstflight.guard.guard import Guard
from firstflight.rollout.machine import Phase, Rollout
from firstflight.world import World
from tests.unit.acts.twin import MODEL, PLAN, Twin, drive


class Gone(Exception):  # noqa: N818 - not an error
    """The driver's process has ended."""


def with_events(twin: Twin, events: dict[float, Callable[[], None]]) -> World:
    """Return the twin's world in which these things happen, so many seconds after now."""
    due = {twin.time.now + seconds: event for seconds, event in events.items()}

    def wait(seconds: float) -> None:
        twin.wait(seconds)
        for at in [each for each in due if each <= twin.time.now]:
            due.pop(at)()

    return replace(twin.world, wait=wait)


def gone() -> None:
    """End the process of the driver."""
    raise Gone


def begun(twin: Twin) -> tuple[Rollout, str, str]:
    """Return a rollout that has just begun, and the served names of stable and candidate."""
    stable, candidate = twin.champion(), twin.candidate()
    plan = PLAN.model_copy(update={"candidate": candidate.number, "stage_seconds": 90})
    rollout = resume_or_start(twin.world, plan, run="run-1")
    return rollout, stable.served_name, candidate.served_name


def held(twin: Twin, *, candidate_fails: float = 0.0, gone_after: float = 150) -> Rollout:
    """Return a rollout whose stable model began to fail after a minute and whose driver is gone some time later."""
    rollout, stable, candidate = begun(twin)

    def fail() -> None:
        twin.clients.failing = {stable: 1.0, candidate: candidate_fails}

    with pytest.raises(Gone):
        drive(with_events(twin, {65: fail, gone_after: gone}), rollout)
    told = current(twin.world.ledger, MODEL)
    assert told is not None
    return told


def paged(twin: Twin, rollout: Rollout) -> list[str]:
    """Return what people were told of the stable model."""
    records = twin.world.ledger.read(notices_stream(rollout))
    return [record.body["text"] for record in records if record.body["kind"] == "home fails"]


def test_the_split_is_held_longer_than_the_stage_and_people_are_told_once(twin: Twin) -> None:
    """The stage's 90 s pass; nothing moves, and the page says what to do."""
    rollout = held(twin)
    assert Phase.OBSERVING is rollout.phase
    assert rollout.split == twin.backend.get_traffic(MODEL) != rollout.home
    decision = checks(twin.world.ledger, rollout)[-1][1]
    assert (Verdict.HOLD, ("error_rate",)) == (decision.verdict, decision.failing)
    [page] = paged(twin, rollout)
    assert "is failing" in page
    assert f"firstflight promote {MODEL}" in page


def test_a_person_promotes_the_candidate_on_the_spot(twin: Twin) -> None:
    """The candidate keeps its own limits; its driver finds the order, and the candidate serves alone."""
    rollout, stable, candidate = begun(twin)

    def fail() -> None:
        twin.clients.failing = {stable: 1.0}

    def order() -> None:
        told = current(twin.world.ledger, MODEL)
        assert told is not None
        order_promotion(twin.world, told, approver="ada", comment="stable is dead")

    ended = drive(with_events(twin, {65: fail, 100: order}), rollout)
    assert Phase.PROMOTED is ended.phase
    assert TrafficSplit.all_to(candidate) == twin.backend.get_traffic(MODEL)
    assert [1] == [
        record.body["comment"].count("dead")
        for record in twin.world.ledger.read(f"rollout/{MODEL}")
        if record.kind == "promotion.ordered"
    ]


def test_a_healthy_stable_model_is_no_reason_to_promote_at_once(twin: Twin) -> None:
    """Whoever is in a hurry is told why not."""
    rollout, _, _ = begun(twin)
    with pytest.raises(Gone):
        drive(with_events(twin, {15: gone}), rollout)
    told = current(twin.world.ledger, MODEL)
    assert told is not None
    with pytest.raises(RolloutError, match="needs a stable model that fails"):
        order_promotion(twin.world, told, approver="ada", comment="now")


def test_a_candidate_that_fails_too_is_not_promoted(twin: Twin) -> None:
    """Both failing: held, told so, and nobody is let through."""
    rollout = held(twin, candidate_fails=1.0)
    assert "and so is" in paged(twin, rollout)[-1]
    with pytest.raises(RolloutError, match="both models are failing"):
        order_promotion(twin.world, rollout, approver="ada", comment="now")


def test_a_driver_that_dies_while_the_split_is_held_does_not_send_traffic_home(twin: Twin) -> None:
    """Neither the run's hook, nor the watch over runs, nor the guard does, until stable answers again."""
    rollout = held(twin)
    assert () == bring_run_home(twin.world, "run-1", actor="hook", reason="crashed")
    assert () == bring_orphans_home(twin.world, lambda _run: "its run is over", actor="watch-health")

    def seconds() -> float:
        return twin.time.now

    guard = Guard(twin.world, monotonic=seconds)
    for _ in range(30):
        twin.wait(3)
        assert () == guard.round()
    assert rollout.split == twin.backend.get_traffic(MODEL)
    twin.clients.failing = {}
    for _ in range(30):
        twin.wait(3)
        guard.round()
    assert rollout.home == twin.backend.get_traffic(MODEL)


def test_a_roll_back_by_a_person_obeys_and_says_what_home_answers(twin: Twin) -> None:
    """Who asks for it gets it, and reads that home is failing."""
    rollout = held(twin)
    home = bring_model_home(twin.world, MODEL, actor="ada", reason="my decision")
    assert rollout.home == twin.backend.get_traffic(MODEL)
    assert home.home.startswith("failing by the last check: stable: 9")


def test_a_run_that_a_person_cancels_goes_home(twin: Twin) -> None:
    """To cancel is to ask for it."""
    rollout = held(twin)
    bring_run_home(twin.world, "run-1", actor="hook", reason="cancelled", asked=True)
    assert rollout.home == twin.backend.get_traffic(MODEL)


def test_a_stable_model_that_recovers_lets_the_rollout_go_on(twin: Twin) -> None:
    """Ten bad looks, then health: the rollout ends promoted."""
    rollout, stable, _ = begun(twin)

    def fail() -> None:
        twin.clients.failing = {stable: 0.5}

    def recover() -> None:
        twin.clients.failing = {}

    assert Phase.PROMOTED is drive(with_events(twin, {65: fail, 165: recover}), rollout).phase
