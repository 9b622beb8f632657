"""Clocks on the wall are set while we wait: what a plan allows lasts as long as it says."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from firstflight.acts.approve import seconds_left
from firstflight.acts.compare import compare_variants
from firstflight.acts.enter_stage import enter_stage, pass_stage
from firstflight.acts.freeze import begin_freeze
from firstflight.acts.lease import renew_lease
from firstflight.acts.look import Pace
from firstflight.acts.observe import bake, observe
from firstflight.acts.promote import promote
from firstflight.acts.roll_back import send_home
from firstflight.acts.start import resume_or_start
from firstflight.decision.verdicts import Verdict
from firstflight.domain.errors import RolloutError, StoreUnavailableError, TrafficNotAppliedError
from firstflight.guard.guard import Guard
from firstflight.rollout.freeze import Freeze
from firstflight.rollout.machine import Phase
from firstflight.world import World
from tests.unit.acts.twin import AB_TEST, MODEL, PLAN, Twin, begun, drive, in_first_stage

JUMPS = pytest.mark.parametrize("jump", [3600.0, -3600.0, 0.0], ids=["an hour forward", "an hour back", "not at all"])


def jumping(twin: Twin, jump: float, after: float = 5.0) -> World:
    """The world of a process on whose machine, with the databases, the clock is set by `jump` after a while."""
    begin, done = twin.time.now, False

    def wait(seconds: float) -> None:
        nonlocal done
        if not done and twin.time.now - begin + seconds >= after:
            done = True
            twin.base_skew += jump
        twin.wait(seconds)

    return replace(twin.world, wait=wait)


def lasted(twin: Twin, act: Callable[[], Any]) -> tuple[Any, float]:
    """What `act` returned or raised, and after how many true seconds."""
    begin = twin.time.now
    try:
        return act(), twin.time.now - begin
    except (StoreUnavailableError, TrafficNotAppliedError) as error:
        return error, twin.time.now - begin


class _Away:
    """A source that does not answer."""

    def __getattr__(self, _name: str) -> Any:
        raise StoreUnavailableError("the database does not answer")


@JUMPS
def test_an_outage_is_sat_out_for_as_long_as_the_plan_says(twin: Twin, jump: float) -> None:
    """Neither an hour longer, nor given up at once."""
    rollout = in_first_stage(twin)
    world = replace(jumping(twin, jump), source=_Away())
    error, seconds = lasted(twin, lambda: observe(world, rollout))
    assert isinstance(error, StoreUnavailableError)
    assert 60 < seconds < 75


class _Stopped:
    """A source whose collector died."""

    def __init__(self, twin: Twin) -> None:
        self._source, self._until = twin.source, twin.source.watermark(MODEL)

    def watermark(self, _route: str) -> Any:
        """Where it died."""
        return self._until

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)


@JUMPS
def test_records_that_stand_still_are_blindness_after_as_long_as_the_plan_says(twin: Twin, jump: float) -> None:
    """By the time that passed, not by the difference of two clocks."""
    rollout = in_first_stage(twin)
    twin.wait(5)
    world = replace(jumping(twin, jump), source=_Stopped(twin))
    decision, seconds = lasted(twin, lambda: observe(world, rollout))
    assert Verdict.INCONCLUSIVE is decision.verdict
    assert "blind: requests are recorded up to" in decision.reasons[0]
    assert 55 < seconds < 95


def test_a_stage_that_settles_does_not_age_twice(twin: Twin) -> None:
    """Records move on while those that count lie ahead: no look is later than the clock, so no stage is shorter."""
    begun_at = twin.world.ledger.now()
    pace = Pace(twin.world, begun_at + timedelta(seconds=2), 60.0)
    for _ in range(10):
        twin.wait(0.5)
        now = twin.world.ledger.now()
        assert now == pace.at(now - timedelta(seconds=0.1))


@JUMPS
def test_an_ab_test_whose_records_stand_still_ends(twin: Twin, jump: float) -> None:
    """After its longest time, though its windows do not move on."""
    twin.champion()
    twin.candidate()
    rollout = enter_stage(twin.world, resume_or_start(twin.world, AB_TEST, run="run-1"), 20)
    twin.wait(5)
    world = replace(jumping(twin, jump), source=_Stopped(twin))
    decision, seconds = lasted(twin, lambda: compare_variants(world, rollout))
    assert Verdict.INCONCLUSIVE is decision.verdict
    assert 290 <= seconds < 330  # counted from what it had seen


@JUMPS
def test_a_bake_lasts_as_long_as_the_plan_says(twin: Twin, jump: float) -> None:
    """A clock that was set forward does not end the watch over a new champion."""
    rollout = in_first_stage(twin, bake_seconds=120)
    for stage in (10, 50):
        rollout = pass_stage(twin.world, rollout, ("good",))
        rollout = enter_stage(twin.world, rollout, 50 if stage == 10 else 100)
    rollout = promote(twin.world, pass_stage(twin.world, rollout, ("good",)))
    decision, seconds = lasted(twin, lambda: bake(jumping(twin, jump, after=15), rollout))
    assert Verdict.PROMOTE is decision.verdict
    assert 120 <= seconds < 125


@JUMPS
def test_a_freeze_is_waited_out_for_as_long_as_the_plan_says(twin: Twin, jump: float) -> None:
    """And a clock that was set back does not lift it."""
    rollout = pass_stage(twin.world, in_first_stage(twin, approval_seconds=300), ("good",))
    begin_freeze(twin.ledger, Freeze(by="ada", reason="incident", since=twin.world.now()))
    ended, seconds = lasted(twin, lambda: enter_stage(jumping(twin, jump), rollout, 50))
    assert Phase.ROLLING_BACK is ended.phase
    assert "waited 300 s to raise traffic" in ended.reasons[0]
    assert 300 <= seconds < 320


@JUMPS
def test_a_way_home_is_tried_for_as_long_as_it_may_take(
    twin: Twin, jump: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The router does not obey, and the candidate cannot be stopped."""
    rollout = in_first_stage(twin)
    for name in ("go_home", "set_traffic", "evict"):
        monkeypatch.setattr(twin.backend, name, _refuses)
    world = replace(jumping(twin, jump), home_seconds=60.0)
    error, seconds = lasted(twin, lambda: send_home(world, MODEL, [rollout.candidate.served_name]))
    assert isinstance(error, TrafficNotAppliedError)
    assert 60 <= seconds < 75


def _refuses(*_: object) -> None:
    raise TrafficNotAppliedError("the router refuses")


@JUMPS
def test_the_guard_measures_leases_by_a_clock_that_nobody_sets(twin: Twin, jump: float) -> None:
    """A driver that renews is left alone, and one that is gone is found after as long as ever."""
    rollout = in_first_stage(twin)
    guard = Guard(twin.world, monotonic=lambda: twin.time.now)
    for number in range(20):
        twin.base_skew += jump if number == 3 else 0.0
        renew_lease(twin.world, rollout)
        twin.wait(3)
        assert () == guard.round()
    begin = twin.time.now
    while not guard.round():
        twin.wait(3)
    assert 27 <= twin.time.now - begin <= 36


def test_a_clock_set_forward_takes_no_rollout_from_a_driver_that_lives(twin: Twin) -> None:
    """By the wall its lease has run out an hour ago; it goes on renewing it, and a second run is refused."""
    rollout = in_first_stage(twin)
    twin.base_skew += 3600.0

    def wait(seconds: float) -> None:
        twin.wait(seconds)
        renew_lease(twin.world, rollout)

    assert rollout.plan == begun_plan(twin)
    with pytest.raises(RolloutError, match="already has rollout"):
        resume_or_start(replace(twin.world, wait=wait), begun_plan(twin), run="run-2")


def begun_plan(twin: Twin) -> Any:
    """The plan of the twin's first candidate."""
    return PLAN.model_copy(update={"candidate": twin.registry.versions(MODEL)[-1].number})


def test_a_question_is_answered_by_the_clock_that_dated_it(twin: Twin) -> None:
    """The machine of the run may be an hour wrong; the database's is asked, and its own only when that is away."""
    rollout = drive(twin.world, begun(twin, approvals=(50,), approval_seconds=300))
    left = seconds_left(twin.world, rollout, 50)
    wrong = replace(twin.world, now=lambda: twin.wall(3600.0))
    assert left == seconds_left(wrong, rollout, 50)
    assert left - 3600 == seconds_left(replace(wrong, ledger=_Away()), rollout, 50)
