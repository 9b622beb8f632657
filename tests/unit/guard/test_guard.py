"""The guard brings home what nobody looks after, with as little as it needs."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from benchmarks.faults.twin import Hurt, Process
from firstflight.acts.homecoming import bring_model_home, bring_run_home
from firstflight.acts.lease import hand_over, renew_lease
from firstflight.acts.ledger_view import checks, current
from firstflight.acts.roll_back import intend_roll_back, rejoin
from firstflight.acts.start import resume_or_start
from firstflight.domain.errors import (
    BackendUnavailableError,
    NotificationFailedError,
    RolloutError,
    StaleTokenError,
    StoreUnavailableError,
    TrafficNotAppliedError,
)
from firstflight.domain.plans import CanaryPlan
from firstflight.domain.traffic import TrafficSplit
from firstflight.guard.guard import BroughtHome, Guard
from firstflight.ledger.record import Record
from firstflight.notify.messages import Message
from firstflight.notify.notifier import Delivery
from firstflight.rollout.machine import Phase, Rollout, stream
from firstflight.serving.backend import RouterTally
from firstflight.serving.lease import Lease, Surrender
from firstflight.world import World
from tests.unit.acts.twin import MODEL, PLAN, Twin, begun, drive, in_first_stage


def seconds(twin: Twin) -> float:
    """The twin's time as a clock that nobody sets."""
    return twin.time.now


def guard_of(twin: Twin, world: World | None = None) -> Guard:
    """A guard whose clock is the twin's."""
    return Guard(world or twin.world, monotonic=lambda: seconds(twin))


def rounds(guard: Guard, twin: Twin, seconds: float, also: Callable[[], object] = lambda: None) -> list[BroughtHome]:
    """Let `seconds` pass with a round every three of them."""
    done = list(guard.round())
    for _ in range(int(seconds // 3)):
        twin.wait(3)
        also()
        done += guard.round()
    return done


def blind(twin: Twin, **clients: Any) -> World:
    """The guard's world while the ledger does not answer."""
    down = Hurt(raises=StoreUnavailableError("the database does not answer"))
    twin.faults = lambda _process, call: down if call == "read" or call.startswith("append") else None
    return replace(twin.world_of(Process("guard")), wait=twin.wait, **clients)


def waiting(twin: Twin) -> Rollout:
    """A rollout whose run is suspended before its second stage."""
    return drive(twin.world, begun(twin, approvals=(50,), approval_seconds=300))


def last_record(twin: Twin) -> tuple[str, dict[str, Any]]:
    """Kind and body of the newest record of the model."""
    record = twin.world.ledger.read(stream(MODEL))[-1]
    return record.kind, record.body


def is_home(twin: Twin, rollout: Rollout) -> bool:
    """Whether the router and the ledger agree that the rollout has ended at its stable model."""
    told = current(twin.world.ledger, MODEL)
    assert told is not None
    return rollout.home == twin.world.backend.get_traffic(MODEL) and Phase.ROLLED_BACK is told.phase


def test_a_driver_that_renews_its_lease_is_left_alone(twin: Twin) -> None:
    """A healthy rollout that somebody drives is none of the guard's business."""
    rollout = in_first_stage(twin)
    assert [] == rounds(guard_of(twin), twin, 300, lambda: renew_lease(twin.world, rollout))
    assert rollout.split == twin.world.backend.get_traffic(MODEL)


def test_a_lost_lease_brings_the_model_home(twin: Twin) -> None:
    """The driver is gone without a word: traffic is home within the lease and a round, and the ledger says why."""
    rollout = in_first_stage(twin)
    [home] = rounds(guard_of(twin), twin, 48)
    assert is_home(twin, rollout)
    assert home.recorded
    told = current(twin.world.ledger, MODEL)
    assert told is not None
    assert ("its driver run-1 has not been heard of for 30 s, at most that is allowed",) == told.reasons
    assert {} == twin.world.leases.held()


def test_who_is_told_to_end_leaves_time_for_another(twin: Twin) -> None:
    """A drain ends the driver, and its new pod takes two minutes: bounded, on record, and watched meanwhile."""
    rollout = in_first_stage(twin)
    hand_over(twin.world, rollout)
    assert ("driver.detached", {"seconds": 150.0}) == last_record(twin)
    assert [] == rounds(guard_of(twin), twin, 140)
    taken = resume_or_start(twin.world, rollout.plan, run="run-1")
    assert 30 == twin.leases.all[MODEL].seconds
    hand_over(twin.world, rollout)  # of the process that was replaced: not its to give away
    assert 30 == twin.leases.all[MODEL].seconds
    hand_over(twin.world, taken)
    [home] = rounds(guard_of(twin), twin, 160)
    assert "its driver run-1 has not been heard of for 150 s, at most that is allowed" == home.reason


def test_a_question_and_a_way_home_are_not_handed_over(twin: Twin) -> None:
    """A person's lease stays as long as it is, and what goes home waits for nobody."""
    rollout = waiting(twin)
    before = dict(twin.leases.all)
    hand_over(twin.world, rollout)
    assert before == twin.leases.all
    intend_roll_back(twin.world, rollout, ("harm",), trigger="ROLL_BACK")
    hand_over(twin.world, rollout)
    assert before == twin.leases.all


@pytest.mark.parametrize("alive", [True, False])
def test_time_in_which_nobody_could_renew_does_not_count(
    twin: Twin, monkeypatch: pytest.MonkeyPatch, *, alive: bool
) -> None:
    """Leases are away for two minutes: a driver that renews after it is left alone, a dead one is not spared."""
    rollout = in_first_stage(twin)
    guard = guard_of(twin)
    assert [] == rounds(guard, twin, 12)
    with monkeypatch.context() as away:
        away.setattr(twin.world.leases, "held", _no_leases)
        assert [] == rounds(guard, twin, 120)
    assert [] == rounds(guard, twin, 9)
    if alive:
        assert [] == rounds(guard, twin, 60, lambda: renew_lease(twin.world, rollout))
    else:
        assert 1 == len(rounds(guard, twin, 15))
    assert is_home(twin, rollout) != alive


def _no_leases() -> Mapping[str, Lease]:
    raise BackendUnavailableError("the leases do not answer")


def test_a_rollout_that_never_had_a_lease_is_found_in_the_ledger(twin: Twin) -> None:
    """The run died between its first record and its first lease."""
    rollout = resume_or_start(twin.world, PLAN.model_copy(update={"candidate": twin.candidate().number}), run="run-1")
    twin.world.leases.release(MODEL, rollout.token)
    assert 1 == len(rounds(guard_of(twin), twin, 51))
    assert is_home(twin, rollout)


def test_a_dead_candidate_goes_home_at_once(twin: Twin) -> None:
    """A model server that does not come back is noticed in one round, though its driver is well."""
    rollout = in_first_stage(twin)
    guard = guard_of(twin)
    assert () == guard.round()
    twin.world.backend.evict(rollout.candidate.served_name)
    [home] = guard.round()
    assert is_home(twin, rollout)
    assert f"{rollout.candidate.served_name} is not ready to answer, asked twice" == home.reason


def test_a_burst_of_errors_goes_home_without_statistics(twin: Twin) -> None:
    """Every request to the candidate fails: a few seconds of counters are enough."""
    rollout = in_first_stage(twin)
    guard = guard_of(twin, blind(twin))
    rounds(guard, twin, 9, lambda: renew_lease(twin.world, rollout))
    twin.clients.failing[rollout.candidate.served_name] = 1.0
    begun = twin.time.now
    done: list[BroughtHome] = []
    while not done and twin.time.now - begun < 30:
        twin.wait(3)
        renew_lease(twin.world, rollout)
        done = list(guard.round())
    assert rollout.home == twin.world.backend.get_traffic(MODEL)
    assert twin.time.now - begun <= 10
    assert "of the candidate's last" in done[0].reason


def test_failures_of_those_who_chose_the_candidate_are_not_its_own(twin: Twin) -> None:
    """A client cannot have a rollout brought home by asking for the candidate, nor clear it of what the split shows."""
    rollout = in_first_stage(twin)
    name, guard = rollout.candidate.served_name, guard_of(twin, blind(twin))
    rounds(guard, twin, 9, lambda: renew_lease(twin.world, rollout))

    def choose() -> None:
        twin.world.backend.count(name, requests=0, chosen=100)
        renew_lease(twin.world, rollout)

    assert [] == rounds(guard, twin, 31, choose)
    twin.clients.failing[name] = 1.0
    choose()
    twin.wait(9)
    [home] = guard.round()
    assert "of the candidate's last" in home.reason


def test_a_candidate_that_the_router_does_not_count_is_said_to_be_unseen(
    twin: Twin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing counted is no health: it is said, once, and the other questions are still asked."""
    rollout = in_first_stage(twin)
    guard = guard_of(twin, blind(twin))
    monkeypatch.setattr(twin.world.backend, "tallies", lambda _route: {})
    assert [] == rounds(guard, twin, 9, lambda: renew_lease(twin.world, rollout))
    said = [one for one in caplog.records if f"counts nothing of {rollout.candidate.served_name}" in one.getMessage()]
    assert 1 == len(said)
    twin.world.backend.evict(rollout.candidate.served_name)
    [home] = guard.round()
    assert "asked twice" in home.reason


def test_counters_that_fall_are_noticed(
    twin: Twin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The router was restarted, or somebody set them back: what they say then is not what happened."""
    rollout = in_first_stage(twin)
    guard = guard_of(twin, blind(twin))
    name = rollout.arms.stable.served_name
    for requests in (100, 130, 7):
        monkeypatch.setattr(twin.world.backend, "tallies", lambda _route, n=requests: {name: RouterTally(requests=n)})
        renew_lease(twin.world, rollout)
        guard.round()
        twin.wait(3)
        assert (requests == 7) == any("counters fell" in one.getMessage() for one in caplog.records)


def test_everybody_failing_is_not_the_candidates_fault(twin: Twin) -> None:
    """Going home cures nothing when the stable model fails as well."""
    rollout = in_first_stage(twin)
    twin.clients.failing = {rollout.candidate.served_name: 1.0, rollout.arms.stable.served_name: 1.0}
    guard = Guard(blind(twin), monotonic=lambda: seconds(twin))
    assert [] == rounds(guard, twin, 30, lambda: renew_lease(twin.world, rollout))


def test_harm_is_seen_while_a_person_is_being_asked(twin: Twin) -> None:
    """The run is suspended, its process gone; the candidate begins to fail now and then."""
    rollout = waiting(twin)
    twin.clients.failing[rollout.candidate.served_name] = 0.2
    [home] = rounds(guard_of(twin), twin, 300)[:1]
    assert is_home(twin, rollout)
    assert "candidate error rate" in home.reason
    assert "limit 1 %" in home.reason


def test_checks_go_on_while_a_person_is_being_asked(twin: Twin) -> None:
    """What the guard sees is recorded as the rollout's checks, once for each interval, by two guards as by one."""
    rollout = waiting(twin)
    before = len(checks(twin.world.ledger, rollout))
    one, other = guard_of(twin), guard_of(twin)
    assert [] == rounds(one, twin, 60, also=other.round)
    looks = [look for look, _ in checks(twin.world.ledger, rollout)][before:]
    assert 5 <= len(looks) <= 7
    assert all(a.window.until == b.window.since for a, b in pairwise(looks))


def test_nobody_answering_ends_the_wait(twin: Twin) -> None:
    """Past the deadline and a grace, the safe act is done even when the orchestrator forgot to."""
    rollout = waiting(twin)
    guard = guard_of(twin)
    assert [] == rounds(guard, twin, 300)
    [home] = rounds(guard, twin, 60)[:1]
    assert is_home(twin, rollout)
    assert "no approval of 50 %" in home.reason or "not been heard of" in home.reason


def test_a_guard_that_is_restarted_does_not_begin_the_wait_anew(twin: Twin) -> None:
    """A lease of an hour that is nearly over stays so."""
    rollout = waiting(twin)
    twin.wait((rollout.answer_by(50) - twin.world.now()).total_seconds())
    world = blind(twin)
    assert 1 == len(rounds(guard_of(twin, world), twin, 51))
    assert rollout.home == twin.world.backend.get_traffic(MODEL)


class _Pager:
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    def send(self, message: Message) -> Delivery:
        """Keep it."""
        self.sent.append(message)
        return Delivery(delivered=True, where="pager", reason="")


class _Broken:
    """A notifier that cannot deliver."""

    def send(self, _message: Message) -> Delivery:
        """Fail."""
        raise NotificationFailedError("Slack does not answer")


def test_without_the_database_traffic_goes_home_and_is_recorded_later(twin: Twin) -> None:
    """Lease and router are enough; one page is sent; when the database is back, it learns why."""
    rollout = in_first_stage(twin)
    pager = _Pager()
    watching = guard_of(twin, blind(twin, notifier=pager))
    [home] = rounds(watching, twin, 60)
    assert rollout.home == twin.world.backend.get_traffic(MODEL)
    assert not home.recorded
    assert ["rolled back"] == [message.kind for message in pager.sent]
    told = current(twin.world.ledger, MODEL)
    assert told is not None
    assert not told.final
    rounds(guard_of(twin), twin, 0)
    assert is_home(twin, rollout)


def test_a_pager_that_fails_does_not_keep_traffic_away(twin: Twin) -> None:
    """People are told after traffic is safe, if they can be."""
    rollout = in_first_stage(twin)
    rounds(guard_of(twin, blind(twin, notifier=_Broken())), twin, 60)
    assert rollout.home == twin.world.backend.get_traffic(MODEL)


def _refuse(route: str) -> TrafficSplit | None:
    raise TrafficNotAppliedError(f"{route}: the router refuses")


def _away(route: str, *_: object) -> TrafficSplit:
    raise BackendUnavailableError(f"{route}: the router does not answer")


def test_the_candidate_is_stopped_when_the_router_does_not_obey(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second way: nobody can reach a model that is not there; the ledger is told by which way."""
    rollout = in_first_stage(twin)
    monkeypatch.setattr(twin.backend, "go_home", _refuse)
    monkeypatch.setattr(twin.backend, "set_traffic", _away)
    [home, *_] = rounds(guard_of(twin), twin, 48)
    assert "eviction" == home.proof.way
    assert not twin.world.backend.is_ready(rollout.candidate.served_name)
    told = current(twin.world.ledger, MODEL)
    assert told is not None
    assert Phase.ROLLED_BACK is told.phase


def test_two_guards_do_no_harm(twin: Twin) -> None:
    """Both see it; the ledger has one end, and people are told once."""
    rollout = in_first_stage(twin)
    one, other = guard_of(twin), guard_of(twin)
    rounds(one, twin, 60, also=other.round)
    assert is_home(twin, rollout)
    kinds = [record.kind for record in twin.world.ledger.read(f"rollout/{MODEL}")]
    assert 1 == kinds.count("rollout.rolled_back")
    assert 1 == len(twin.world.ledger.read(f"notices/{rollout.id}"))


def test_a_driver_that_comes_back_too_late_ends_the_rollout(twin: Twin) -> None:
    """It was asleep while the guard sent traffic home without a database: it can neither renew nor raise traffic."""
    rollout = in_first_stage(twin)
    rounds(guard_of(twin, blind(twin)), twin, 60)
    with pytest.raises(StaleTokenError):
        renew_lease(twin.world, rollout)
    with pytest.raises(StaleTokenError):
        twin.world.backend.set_traffic(MODEL, rollout.split_at(50), rollout.token)
    assert Phase.ROLLED_BACK is rejoin(twin.world, rollout).phase
    assert is_home(twin, rollout)


def test_a_run_that_resumes_after_the_guard_ends_as_rolled_back(twin: Twin) -> None:
    """A rollback made while the run was suspended ends it, even when the database was away meanwhile."""
    rollout = waiting(twin)
    twin.world.backend.evict(rollout.candidate.served_name)
    rounds(guard_of(twin, blind(twin)), twin, 3)
    found = resume_or_start(twin.world, _plan(rollout), run="run-1")
    assert (rollout.id, Phase.ROLLED_BACK) == (found.id, found.phase)


@pytest.mark.parametrize("ends", ["the run", "the guard", "the run's hook", "the run, resumed"])
def test_whoever_ends_it_does_so_in_the_name_of_who_wanted_it(
    twin: Twin, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    """Somebody else is quicker than the person who rolls back: traffic has just moved, the ledger knows nothing yet."""
    rollout = in_first_stage(twin)
    enders: dict[str, Callable[[], object]] = {
        "the run": lambda: rejoin(twin.world, rollout),
        "the guard": guard_of(twin).round,
        "the run's hook": lambda: bring_run_home(twin.world, "run-1", actor="hook", reason="refused"),
        "the run, resumed": lambda: resume_or_start(twin.world, _plan(rollout), run="run-1"),
    }
    go_home = twin.world.backend.go_home

    def go_home_and_be_overtaken(route: str) -> TrafficSplit | None:
        monkeypatch.undo()
        reported = go_home(route)
        enders[ends]()
        return reported

    monkeypatch.setattr(twin.world.backend, "go_home", go_home_and_be_overtaken)
    bring_model_home(twin.world, MODEL, actor="ada", reason="users complain")
    records = twin.world.ledger.read(f"rollout/{MODEL}")
    [intended] = [record for record in records if record.kind == "rollback.intended"]
    assert ("ada", {"trigger": "person", "reasons": ["users complain"]}) == (intended.actor, intended.body)
    assert "ada" == records[-1].actor
    assert is_home(twin, rollout)


def test_a_lease_whose_rollout_has_ended_is_dropped(twin: Twin) -> None:
    """Its driver died after the last record: nothing is brought home, and the next rollout may begin."""
    rollout = in_first_stage(twin)
    lease = twin.world.leases.held()[MODEL]
    bring_model_home(twin.world, MODEL, actor="ada", reason="stop")
    twin.world.leases.hold(lease.model_copy(update={"token": rollout.token + 100}))
    assert [] == rounds(guard_of(twin), twin, 60)
    assert {} == twin.world.leases.held()


def test_a_new_run_picks_up_what_a_dead_one_left(twin: Twin) -> None:
    """Same plan, lease run out, no guard yet: it goes on in the stage it was in; before that it is refused."""
    rollout = in_first_stage(twin)
    with pytest.raises(RolloutError, match="already has rollout"):
        resume_or_start(twin.world, _plan(rollout), run="run-2")
    twin.wait(46)
    found = resume_or_start(twin.world, _plan(rollout), run="run-2")
    assert (rollout.id, Phase.OBSERVING, 10, "run-2") == (found.id, found.phase, found.stage, found.driver)
    assert [] == rounds(guard_of(twin), twin, 9)
    assert Phase.PROMOTED is drive(twin.world, found).phase


class _Killed(BaseException):
    """What no except of ours catches: the process is gone."""


@pytest.mark.parametrize("after", ["lease", "driver.attached", "rollback.intended"])
def test_a_roll_back_that_dies_half_way_is_finished_in_one_round(
    twin: Twin, monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    """A person is being asked, so the lease lasts for minutes yet; nobody may wait for its end."""
    rollout = waiting(twin)
    with monkeypatch.context() as dying:
        if after == "lease":
            dying.setattr(twin.world.ledger, "append", _dies)
        else:
            append = twin.world.ledger.append

            def append_and_die(stream: str, kind: str, *given: Any, **named: Any) -> Record:
                record = append(stream, kind, *given, **named)
                if kind == after:
                    raise _Killed
                return record

            dying.setattr(twin.world.ledger, "append", append_and_die)
        with pytest.raises(_Killed):
            bring_run_home(twin.world, "run-1", actor="roll-back", reason="run-1 was cancelled")
    rounds(guard_of(twin), twin, 3)
    assert is_home(twin, rollout)
    told = current(twin.world.ledger, MODEL)
    assert told is not None
    assert ("run-1 was cancelled",) == told.reasons


def _dies(*_: Any, **__: Any) -> Record:
    raise _Killed


def test_the_lease_of_an_earlier_rollout_does_not_speak_for_the_next(twin: Twin) -> None:
    """It was surrendered and left; the rollout that is open now has not held one yet."""
    earlier = in_first_stage(twin)
    left = twin.world.leases.held()[MODEL].model_copy(
        update={"surrendered": Surrender(actor="guard", reason="burst of errors", trigger="guard")}
    )
    bring_model_home(twin.world, MODEL, actor="ada", reason="stop")
    plan = PLAN.model_copy(update={"candidate": twin.candidate().number})
    rollout = resume_or_start(twin.world, plan, run="run-2")
    twin.world.leases.release(MODEL, rollout.token)
    twin.world.leases.hold(left)
    assert () == guard_of(twin).round()
    told = current(twin.world.ledger, MODEL)
    assert told is not None
    assert earlier.id != told.id
    assert not told.final


def test_a_candidate_that_hangs_is_counted_before_it_is_asked(twin: Twin) -> None:
    """Asking a server that hangs takes long; what its requests came to is known at once."""
    rollout = in_first_stage(twin)
    guard = guard_of(twin)
    assert [] == rounds(guard, twin, 9, lambda: renew_lease(twin.world, rollout))
    asked: list[str] = []
    ready = twin.world.backend.is_ready
    twin.world.backend.is_ready = lambda name: asked.append(name) or ready(name)  # type: ignore[method-assign,func-returns-value]
    twin.clients.failing = {rollout.candidate.served_name: 1.0}
    twin.wait(5)
    [home] = guard.round()
    assert "answers" in home.reason or "failed" in home.reason
    assert rollout.candidate.served_name not in asked


def _plan(rollout: Rollout) -> CanaryPlan:
    assert isinstance(rollout.plan, CanaryPlan)
    return rollout.plan
