"""No rollout is lost: whatever dies, is late, doubled or away, it ends, and never with traffic where it must not be.

The stories run in the clock twin: the product's acts, guard and decision code on a world in memory. `python -m
benchmarks.faults.explore` tells all of them; here is a sample, and each counterexample that was found.
"""

import logging
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.faults.explore import HOUR, WHATS, every_story
from benchmarks.faults.processes import Desk, Driver, guarding, rolling_back
from benchmarks.faults.story import PLAN, BrokenPromiseError, Down, Fault, Step, Story, Teller
from benchmarks.faults.twin import MODEL, Hurt, Process, Twin, own_clock
from firstflight.acts.champion import settle_champions
from firstflight.acts.enter_stage import enter_stage, pass_stage
from firstflight.acts.homecoming import bring_model_home
from firstflight.acts.ledger_view import append, checks
from firstflight.acts.look import fault_of
from firstflight.acts.observe import observe
from firstflight.acts.roll_back import bring_home, rejoin
from firstflight.acts.start import resume_or_start
from firstflight.decision.verdicts import Verdict
from firstflight.domain.errors import (
    BackendUnavailableError,
    StaleTokenError,
    StoreUnavailableError,
    TrafficNotAppliedError,
)
from firstflight.domain.traffic import TrafficSplit
from firstflight.guard.guard import Guard
from firstflight.rollout.machine import Act, Phase, Rollout, next_act
from firstflight.serving.going_home import bring_traffic_home
from firstflight.serving.lease import Surrender
from firstflight.world import World

STABLE, CANDIDATE = "baseline-predictor-v1", "lightweight-predictor-v2"
A_DAY_OF_THEM = random.Random(20261123)


@pytest.fixture(autouse=True)
def _quietly() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("family", sorted(every_story()))
def test_a_sample_of_each_family_of_stories_ends_well(family: str) -> None:
    """A kill, a delay, a lost answer, an outage or a jumping clock at any effect breaks no promise."""
    stories = every_story()[family]
    for story in A_DAY_OF_THEM.sample(stories, 8 if "clocks" not in family else 2):
        Teller(story).tell()


FAULTS = st.builds(
    Fault, st.sampled_from(["run-1", "run-2", "guard-1", "guard-2", "ada"]), st.integers(0, 60), st.sampled_from(WHATS)
)
OUTAGES = st.builds(
    Down,
    st.sampled_from(["ledger", "router", "registry", "disk"]),
    st.floats(0, 60),
    st.sampled_from([5.0, 60.0, 150.0]),
)
MOMENTS = st.none() | st.floats(0.5, 70)
STORIES = st.builds(
    Story,
    faults=st.lists(FAULTS, max_size=4).map(tuple),
    down=st.lists(OUTAGES, max_size=2).map(tuple),
    person=st.sampled_from(["approve", "reject", "silent"]),
    rolls_back_at=MOMENTS,
    breach_at=MOMENTS,
    doubled_at=MOMENTS,
    after=st.sampled_from(["restart", "new", "nobody"]),
    after_seconds=st.sampled_from([1.0, 10.0, 50.0]),
    guards=st.integers(1, 2),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(STORIES)
def test_any_story_ends_well(story: Story) -> None:
    """Several faults, outages and people at once break no promise."""
    Teller(story).tell()


def unasked(rollout: Rollout) -> Act | None:
    """What comes next to a driver that forgets to ask people."""
    return next_act(rollout.model_copy(update={"plan": rollout.plan.model_copy(update={"approvals": ()})}))


def deaf(_world: World, rollout: Rollout) -> Rollout:
    """Where a driver stands who does not hear that somebody else was there."""
    return rollout


@pytest.mark.parametrize(
    ("part", "broken", "story", "promise"),
    [
        ("next_act", unasked, Story(), "has 50 %, allowed are 10 %"),
        ("rejoin", deaf, Story(rolls_back_at=5.0), "goes round in circles"),
    ],
)
def test_a_fault_in_the_flows_own_loop_is_found(
    monkeypatch: pytest.MonkeyPatch, part: str, broken: Callable[..., object], story: Story, promise: str
) -> None:
    """What is checked here is the loop that flows run."""
    monkeypatch.setattr(f"firstflight.acts.drive.{part}", broken)
    with pytest.raises(BrokenPromiseError, match=promise):
        Teller(story).tell()


@pytest.fixture
def twin() -> Twin:
    """A world with a champion and a candidate."""
    twin = Twin()
    twin.champion()
    twin.candidate()
    return twin


def begun(twin: Twin) -> Rollout:
    """A rollout in its first stage."""
    world = twin.world_of(Process("run-1"))
    return enter_stage(world, resume_or_start(world, PLAN, run="run-1"), 10)


def baked(twin: Twin) -> Rollout:
    """A rollout whose bake is over; the next thing is that the split is the candidate's alone."""
    world = twin.world_of(Process("run-1"))
    rollout = begun(twin)
    rollout = pass_stage(world, rollout, ())
    twin.registry.set_alias(rollout.candidate, "champion")
    for stage in (50, 100):
        if stage == 50:
            yes = {"stage": 50, "approver": "ada", "decision": "approve", "comment": ""}
            rollout = append(twin.ledger, rollout, "approval.answered", yes)
        rollout = pass_stage(world, enter_stage(world, rollout, stage), ())
    arms = rollout.arms.model_dump(mode="json")
    rollout = append(twin.ledger, rollout, "promotion.intended", {"candidate": CANDIDATE})
    return append(twin.ledger, rollout, "bake.started", {"champion": arms["candidates"][0], "before": arms["stable"]})


def test_two_who_bring_a_model_home_do_not_take_it_from_each_other() -> None:
    """Two guards and a person at once: few records, one end. They took over in turns, 20 times and more."""
    told = Teller(Story(breach_at=25.0, rolls_back_at=28.0, guards=2, faults=(Fault("guard-1", 0, "outage"),))).tell()
    assert 1 == told.kinds.count("rollout.rolled_back")
    assert told.kinds.count("driver.attached") <= 4


def test_what_the_router_falls_back_to_is_never_stopped(twin: Twin) -> None:
    """Killed between the last split and the last record: the candidate is the split's stable model then."""
    rollout = baked(twin)
    twin.backend.set_traffic(MODEL, TrafficSplit.all_to(CANDIDATE), rollout.token)
    world = twin.world_of(Process("guard"))
    with own_clock(twin):
        proof = bring_traffic_home(world.backend, MODEL, [CANDIDATE], lambda: twin.backend.go_home(MODEL), world.wait)
    assert ("router", True) == (proof.way, twin.backend.is_ready(CANDIDATE))

    def refuse() -> TrafficSplit:
        raise BackendUnavailableError("the router refuses")

    with own_clock(twin), pytest.raises(TrafficNotAppliedError, match="would leave nobody"):
        bring_traffic_home(world.backend, MODEL, [CANDIDATE], refuse, world.wait)
    assert twin.backend.is_ready(CANDIDATE)


def test_a_driver_killed_while_finishing_goes_home_by_the_ledger(twin: Twin) -> None:
    """The guard cannot go home by the split alone, so it does by the rollout, and the alias follows."""
    rollout = baked(twin)
    twin.backend.set_traffic(MODEL, TrafficSplit.all_to(CANDIDATE), rollout.token)
    process = Process("guard")
    twin.time.start(process, guarding(twin, process))
    with own_clock(twin):
        twin.time.run(60.0)
        twin.time.end()
    assert rollout.home == twin.backend.splits[MODEL]
    assert 1 == twin.registry.get(MODEL, "champion").number
    assert twin.backend.is_ready(CANDIDATE)


def test_a_promotion_being_finished_is_no_disagreement(twin: Twin) -> None:
    """A guard that is one record behind saw the last split before the last record, and took the promotion back."""
    rollout = baked(twin)
    twin.time.sleep(5.0)
    world = twin.world_of(Process("guard"))
    twin.backend.set_traffic(MODEL, TrafficSplit.all_to(CANDIDATE), rollout.token)
    assert () == Guard(world, monotonic=lambda: twin.time.now).round()
    assert fault_of(world, rollout) is None


def test_a_driver_that_is_fenced_out_without_a_word_ends_the_rollout(twin: Twin) -> None:
    """Brought home while neither the ledger nor the lease could be written: it went round in circles."""
    rollout = begun(twin)
    twin.backend.go_home(MODEL)
    world = twin.world_of(Process("run-1"))
    with pytest.raises(StaleTokenError):
        world.backend.set_traffic(MODEL, rollout.home, rollout.token)
    with own_clock(twin):
        assert Phase.ROLLED_BACK is rejoin(world, rollout).phase


def test_an_alias_that_a_late_driver_moved_is_put_right(twin: Twin) -> None:
    """It slept before it moved the alias, and the rollout went home meanwhile."""
    rollout = baked(twin)
    world = twin.world_of(Process("ada"))
    with own_clock(twin):
        ended = bring_home(world, rollout, Surrender(actor="ada", reason="stop", trigger="person"))
    twin.registry.set_alias(rollout.candidate, "champion")
    assert ended == rejoin(world, rollout)
    assert 1 == twin.registry.get(MODEL, "champion").number
    twin.registry.set_alias(rollout.candidate, "champion")
    assert (MODEL,) == settle_champions(world)
    assert () == settle_champions(world)


def test_a_registry_that_was_away_learns_who_is_champion_later() -> None:
    """Killed in mid-promotion with the registry away: traffic goes home at once, the alias when it answers again."""
    registry = Down("registry", 50.0, 200.0)
    writes = [call for _, who, call in Teller(Story()).tell().calls if who == "run-1"]
    alias = writes.index("set_alias")
    for nth in range(alias - 1, alias + 5):
        Teller(Story(faults=(Fault("run-1", nth, "died"),), down=(registry,), after="nobody")).tell()


@pytest.mark.parametrize("who", ["machine", "run-1"])
def test_a_clock_set_back_an_hour_does_not_stop_the_checks(twin: Twin, who: str) -> None:
    """The driver waited an hour for its next check, and what it then saw was not used for as long."""
    process = Process("run-1")
    world = twin.world_of(process)
    rollout = begun(twin)
    twin.time.sleep(4.0)
    twin.clients.failing[CANDIDATE] = 1.0

    def step(*_: object) -> None:
        if who == "machine":
            twin.base_skew = -HOUR
        process.skew = -HOUR if who == "run-1" else 0.0

    at = twin.time.now
    twin.clients.failing[CANDIDATE] = 0.0
    steps: list[Callable[..., object]] = [step, lambda *_: twin.clients.failing.update({CANDIDATE: 1.0})]

    def show(*_: object) -> None:
        if steps:
            steps.pop(0)()

    plan = PLAN.model_copy(update={"min_stage_seconds": 60.0})
    decision = observe(replace(world, show=show), rollout.model_copy(update={"plan": plan}))
    assert ("error_rate",) == decision.triggers
    assert twin.time.now - at < 40.0
    looks = [look for look, _ in checks(twin.ledger, rollout)]
    assert sorted(look.at for look in looks) == [look.at for look in looks]


def test_an_outage_of_the_ledger_does_not_cost_the_lease(twin: Twin) -> None:
    """For as long as the plan allows to see nothing its driver is there, and the guard leaves it alone."""
    world = twin.world_of(Process("run-1"))
    rollout = begun(twin)
    patient = PLAN.model_copy(update={"no_data_seconds": 120.0})
    away = Hurt(raises=StoreUnavailableError("the database does not answer"))
    twin.faults = lambda _process, call: away if call == "read" and 5.0 <= twin.time.now < 75.0 else None
    assert Verdict.PROMOTE is observe(world, rollout.model_copy(update={"plan": patient})).verdict
    held = [at for at, _, call in twin.calls if call == "renew"]
    assert held[-1] >= 75.0
    assert max(after - before for before, after in pairwise(held)) < world.lease_seconds / 2


def test_a_full_disk_does_not_hide_the_way_home(twin: Twin) -> None:
    """The lease cannot be marked; the ledger is told all the same."""
    begun(twin)
    world = twin.world_of(Process("ada"))
    twin.leases.surrender = _full  # type: ignore[method-assign]  # this world's disk
    with own_clock(twin):
        home = bring_model_home(world, MODEL, actor="ada", reason="stop")
    assert home.rollout is not None
    assert Phase.ROLLED_BACK is home.rollout.phase


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_the_guard_goes_on_until_the_router_has_obeyed(twin: Twin) -> None:
    """The candidate was stopped because the router refused; once it answers, it no longer names the candidate."""
    rollout = begun(twin)
    orders = twin.backend.set_traffic, twin.backend.go_home
    twin.backend.set_traffic = twin.backend.go_home = _refuse  # type: ignore[method-assign]  # a router that refuses
    world = twin.world_of(Process("guard"))
    guard = Guard(world, monotonic=lambda: twin.time.now)
    with own_clock(twin):
        bring_home(world, rollout, Surrender(actor="ada", reason="stop", trigger="person"))
        assert 10 == twin.backend.splits[MODEL].percent(CANDIDATE)
        twin.backend.set_traffic, twin.backend.go_home = orders  # type: ignore[method-assign]  # it answers again
        guard.round()
        assert rollout.home == twin.backend.splits[MODEL]
        guard.round()
    assert {} == twin.leases.all


def _refuse(*_: object) -> TrafficSplit:
    raise BackendUnavailableError("the router refuses")


def test_a_driver_that_died_after_raising_traffic_goes_on_there(twin: Twin) -> None:
    """The split is in force and not yet on record; that the last check is old by then is no disagreement."""
    world = twin.world_of(Process("run-1"))
    rollout = begun(twin)
    twin.time.sleep(10.0)
    plan = rollout.plan.model_copy(update={"approvals": ()})
    rollout = pass_stage(world, rollout, ()).model_copy(update={"plan": plan})
    twin.time.sleep(50.0)
    intended = append(twin.ledger, rollout, "stage.intended", {"stage": 50})
    twin.backend.set_traffic(MODEL, rollout.split_at(50), rollout.token)
    entered = enter_stage(world, intended, 50)
    assert (Phase.OBSERVING, 50) == (entered.phase, entered.stage)


def test_a_run_with_two_processes_is_driven_by_one(twin: Twin) -> None:
    """The older one stops when it finds a newer token, though the run's name is the same."""
    old, new = Process("run-1"), Process("run-1")
    desk = Desk()
    twin.time.start(old, Driver(twin, old, desk, PLAN, "run-1").work)
    twin.time.start(new, Driver(twin, new, desk, PLAN, "run-1").work, at=3.0)
    with own_clock(twin):
        twin.time.run(8.0)
        assert old.error is not None
        assert "was taken over by run-1; this process stops" in str(old.error)
        twin.time.end()


def test_a_run_that_resumes_as_its_rollout_goes_home_finds_it_ended(twin: Twin) -> None:
    """The record by which it takes over came a minute late; it failed, though all was well."""
    rollout = begun(twin)
    late, ada = Process("run-1"), Process("ada")
    twin.faults = lambda process, call: (
        Hurt(delay=60.0) if (process, call) == (late, "append:driver.attached") else None
    )
    told: list[Rollout] = []
    twin.time.start(late, lambda: told.append(resume_or_start(twin.world_of(late), PLAN, run="run-1")))
    twin.time.start(ada, rolling_back(twin, ada), at=10.0)
    with own_clock(twin):
        twin.time.run(90.0)
    assert [(rollout.id, Phase.ROLLED_BACK)] == [(one.id, one.phase) for one in told], late.error


def test_a_step_of_a_clock_is_told_apart_from_a_silence() -> None:
    """The lease is measured by a clock that nobody sets: an hour forth and back loses no lease."""
    steps = (Step(2.0, "guard-1", HOUR), Step(8.0, "guard-1", -HOUR))
    assert "rollout.promoted" == Teller(Story(steps=steps)).tell().kinds[-1]
