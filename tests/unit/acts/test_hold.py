"""A rollout whose run a person has suspended."""

from datetime import timedelta

import pytest

from firstflight.acts.approve import ask
from firstflight.acts.hold import hold
from firstflight.acts.ledger_view import append, checks, current
from firstflight.acts.observe import observe
from firstflight.acts.start import resume_or_start
from firstflight.decision.verdicts import Verdict
from firstflight.guard.guard import Guard
from firstflight.rollout.machine import Phase, Rollout
from tests.unit.acts.twin import AB_TEST, MODEL, Twin, begun, in_first_stage


def told(twin: Twin) -> Rollout:
    """The rollout as the ledger tells it now."""
    found = current(twin.world.ledger, MODEL)
    assert found is not None
    return found


def watch(twin: Twin, seconds: int) -> list[str]:
    """Let the guard go its rounds, and return why it brought anything home."""
    guard, why = Guard(twin.world, monotonic=lambda: twin.time.now), []
    for _ in range(seconds // 3):
        why += [home.reason for home in guard.round()]
        twin.wait(3)
    return why


def test_it_stays_in_its_stage_watched_until_it_is_resumed(twin: Twin) -> None:
    """No process drives it, the guard's looks are its checks, and it goes on with what they showed."""
    rollout = in_first_stage(twin)
    hold(twin.world, rollout, twin.world.now() + timedelta(seconds=200))
    held = told(twin)
    assert (True, True, Phase.OBSERVING) == (held.held, held.waits, held.phase)
    before = len(checks(twin.world.ledger, rollout))
    assert [] == watch(twin, 190)
    assert 15 <= len(checks(twin.world.ledger, rollout)) - before
    assert rollout.split == twin.world.backend.get_traffic(MODEL)
    resumed = resume_or_start(twin.world, rollout.plan, run="run-1")
    assert (False, False, rollout.stage) == (resumed.held, resumed.waits, resumed.stage)
    assert Verdict.PROMOTE is observe(twin.world, resumed).verdict


def test_silence_leads_home(twin: Twin) -> None:
    """Nobody resumed it in the time they gave."""
    rollout = in_first_stage(twin)
    hold(twin.world, rollout, twin.world.now() + timedelta(seconds=60))
    [why] = watch(twin, 120)
    assert "has not been heard of for 90 s" in why
    assert rollout.home == twin.world.backend.get_traffic(MODEL)


def test_nobody_keeps_it_waiting_for_longer_than_its_plan_allows(twin: Twin) -> None:
    """Whatever time they give, or none."""
    rollout = begun(twin, approval_seconds=300)
    for until in (None, twin.world.now() + timedelta(days=7)):
        hold(twin.world, rollout, until)
        rollout = told(twin)
        assert 330 == twin.leases.all[MODEL].seconds


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_harm_goes_home_while_it_is_held(twin: Twin, share: float) -> None:
    """By the guard, as while a person is asked."""
    rollout = in_first_stage(twin)
    hold(twin.world, rollout, twin.world.now() + timedelta(seconds=300))
    twin.clients.failing[rollout.candidate.served_name] = share
    why, *_ = watch(twin, 200)
    assert "has not been heard of" not in why
    assert rollout.home == twin.world.backend.get_traffic(MODEL)


def test_what_the_stage_had_shown_is_not_forgotten(twin: Twin) -> None:
    """The process ends where it would have written that the stage has passed."""
    rollout = in_first_stage(twin)
    assert Verdict.PROMOTE is observe(twin.world, rollout).verdict
    hold(twin.world, rollout, None)
    assert (Phase.PASSED, (rollout.stage,), True) == (told(twin).phase, told(twin).passed, told(twin).waits)


def test_harm_that_its_last_check_found_is_not_held(twin: Twin) -> None:
    """It goes home at once, whoever wants it to stay."""
    rollout = in_first_stage(twin)
    twin.clients.failing[rollout.candidate.served_name] = 0.5
    assert Verdict.ROLL_BACK is observe(twin.world, rollout).verdict
    hold(twin.world, rollout, None)
    assert Phase.ROLLED_BACK is told(twin).phase
    assert rollout.home == twin.world.backend.get_traffic(MODEL)


def test_a_question_and_another_s_rollout_are_left_as_they_are(twin: Twin) -> None:
    """A person's answer has its own deadline; who was replaced has nothing to hold."""
    rollout = in_first_stage(twin)
    taken = resume_or_start(twin.world, rollout.plan, run="run-1")
    hold(twin.world, rollout, None)
    assert 30 == twin.leases.all[MODEL].seconds
    asked = ask(twin.world, taken, 50)
    before = dict(twin.leases.all)
    hold(twin.world, asked, None)
    assert before == twin.leases.all
    assert not told(twin).held


@pytest.mark.parametrize("kind", ["stage.intended", "promotion.intended"])
def test_what_is_half_done_is_not_held(twin: Twin, kind: str) -> None:
    """Its split may be in force and judged by nobody: it goes home when nobody has driven it for 30 s."""
    rollout = in_first_stage(twin)
    rollout = append(twin.world.ledger, rollout, kind, {"stage": 50, "split": {}, "candidate": ""})
    hold(twin.world, rollout, None)
    assert not told(twin).held
    [why] = watch(twin, 60)
    assert "has not been heard of for 30 s" in why


def test_a_test_is_not_held(twin: Twin) -> None:
    """What it measured would be another time's: its lease ends, and the guard brings it home."""
    twin.champion()
    twin.candidate()
    rollout = resume_or_start(twin.world, AB_TEST, run="run-1")
    hold(twin.world, rollout, None)
    assert 30 == twin.leases.all[MODEL].seconds
    assert not told(twin).held
