"""A record that cannot be read stops no round of the guard, hides no other rollout and is never taken for health."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firstflight.acts.freeze import refuse_frozen
from firstflight.acts.homecoming import bring_model_home, bring_run_home
from firstflight.acts.lease import renew_lease
from firstflight.acts.ledger_view import current, history, open_rollouts
from firstflight.acts.start import resume_or_start
from firstflight.domain.errors import BackendUnavailableError, RolloutError
from firstflight.guard.guard import Guard
from firstflight.rollout.machine import Phase, checks_stream, stream
from firstflight.rollout.story import reasons, sentence
from firstflight.serving.lease import LeaseFile
from tests.unit.acts.twin import MODEL, PLAN, Twin, begun, in_first_stage

OTHER = "another-model"
SPOILED: dict[str, dict[str, Any]] = {
    "nothing": {},
    "another kind's": {"split": {"stable": "x", "weights": {"x": 100}}},
    "wrong types": {"stage": "ten", "reasons": [1], "split": 7, "decision": "approve", "approver": 3},
}
KINDS = ("stage.entered", "stage.passed", "approval.asked", "rollback.intended", "rollout.rolled_back")


def _guard(twin: Twin) -> Guard:
    return Guard(twin.world, monotonic=lambda: twin.time.now)


def _round(twin: Twin, guard: Guard, times: int = 1) -> None:
    for _ in range(times):
        twin.wait(3)
        guard.round()


@pytest.mark.parametrize("body", SPOILED.values(), ids=SPOILED.keys())
@pytest.mark.parametrize("kind", KINDS)
def test_after_a_record_that_cannot_be_read_the_rollout_goes_home(twin: Twin, kind: str, body: dict[str, Any]) -> None:
    """Nobody knows where it stands: that is danger, though its driver renews the lease."""
    rollout = in_first_stage(twin)
    guard = _guard(twin)
    assert () == guard.round()
    twin.ledger.append(stream(MODEL), kind, body, actor="a stranger")
    if kind == "rollout.rolled_back" and "split" in body and isinstance(body["split"], dict):
        return  # this one says it has ended
    renew_lease(twin.world, rollout)
    _round(twin, guard)
    told = current(twin.ledger, MODEL)
    assert told is not None
    assert (rollout.id, Phase.ROLLED_BACK) == (told.id, told.phase)
    assert rollout.home == twin.backend.get_traffic(MODEL)


@pytest.mark.parametrize("body", SPOILED.values(), ids=SPOILED.keys())
def test_a_check_that_cannot_be_read_is_no_health(twin: Twin, body: dict[str, Any]) -> None:
    """The evidence would be another's: home, and the end is told all the same."""
    rollout = in_first_stage(twin)
    twin.ledger.append(checks_stream(rollout), "check", body, actor="a stranger")
    renew_lease(twin.world, rollout)
    _round(twin, _guard(twin))
    told = current(twin.ledger, MODEL)
    assert told is not None
    assert Phase.ROLLED_BACK is told.phase
    assert ["ended"] == [one.body["event"] for one in twin.ledger.read(f"notices/{rollout.id}")]


@pytest.mark.parametrize("kind", ["rollout.started", "stage.entered", "", "no such kind"])
def test_a_spoiled_stream_leaves_no_other_model_without_a_guard(twin: Twin, kind: str) -> None:
    """One stream holds nonsense; the rollout of another model, whose driver is gone, comes home as ever."""
    rollout = in_first_stage(twin)
    for body in SPOILED.values():
        twin.ledger.append(stream(OTHER), kind or "rollout.started", body, actor="a stranger")
    _round(twin, _guard(twin), 16)
    told = current(twin.ledger, MODEL)
    assert told is not None
    assert (rollout.id, Phase.ROLLED_BACK) == (told.id, told.phase)
    assert () == open_rollouts(twin.ledger)


def test_a_rollout_whose_beginning_is_spoiled_goes_home_by_its_lease(twin: Twin) -> None:
    """The records do not know who holds the lease: traffic is brought home though the driver renews it."""
    rollout = in_first_stage(twin)
    [first] = [one for one in twin.ledger.read(stream(MODEL)) if one.kind == "rollout.started"]
    first.body.pop("plan")
    guard = _guard(twin)
    for _ in range(3):
        twin.wait(3)
        guard.round()
    assert rollout.home == twin.backend.get_traffic(MODEL)
    assert () == history(twin.ledger, MODEL)


def test_the_next_rollout_takes_no_name_that_a_spoiled_one_had(twin: Twin) -> None:
    """Its checks would be read as the next one's."""
    twin.champion()
    twin.ledger.append(stream(MODEL), "rollout.started", {"rollout": f"{MODEL}-r1"}, actor="a stranger")
    assert f"{MODEL}-r2" == begun(twin).id


def test_whatever_one_route_does_the_others_are_looked_after(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error nobody thought of, while one route is judged: it goes home, and the round goes on to the next."""
    rollout = in_first_stage(twin)
    lease = twin.leases.held()[MODEL]
    twin.leases.hold(lease.model_copy(update={"route": "a-first", "rollout": "a-first-r1"}))
    get_traffic = twin.backend.get_traffic

    def broken(route: str) -> Any:
        if route == "a-first":
            raise ZeroDivisionError("nobody thought of that")
        return get_traffic(route)

    monkeypatch.setattr(twin.backend, "get_traffic", broken)
    guard = _guard(twin)
    monkeypatch.setattr(guard.watch, "trigger", _cannot)
    renew_lease(twin.world, rollout)
    [home] = guard.round()
    assert (MODEL, "it cannot be judged: OverflowError: beyond the calendar") == (home.route, home.reason)
    assert rollout.home == get_traffic(MODEL)


def _cannot(*_: object) -> str:
    raise OverflowError("beyond the calendar")


ENDERS: dict[str, Callable[[Twin], object]] = {
    "a person": lambda twin: bring_model_home(twin.world, MODEL, actor="ada", reason="stop"),
    "the run's hook": lambda twin: bring_run_home(twin.world, "run-1", actor="hook", reason="failed"),
}


@pytest.mark.parametrize("ender", ENDERS.values(), ids=ENDERS.keys())
def test_going_home_reads_no_more_than_it_needs(twin: Twin, ender: Callable[[Twin], object]) -> None:
    """Checks and notices are spoiled as well; whoever brings it home is not stopped by them."""
    rollout = in_first_stage(twin)
    for name in (checks_stream(rollout), f"notices/{rollout.id}"):
        for kind in ("check", "comparison", "notice.sent"):
            twin.ledger.append(name, kind, {}, actor="a stranger")
    ender(twin)
    told = current(twin.ledger, MODEL)
    assert told is not None
    assert Phase.ROLLED_BACK is told.phase


def test_a_freeze_that_cannot_be_read_holds(twin: Twin) -> None:
    """Somebody wanted the line to stop."""
    twin.champion()
    twin.ledger.append("freezes", "freeze.begun", {"since": "some day"}, actor="ada")
    with pytest.raises(RolloutError, match=r"frozen by ada .* cannot be read"):
        refuse_frozen(twin.world, MODEL)
    with pytest.raises(RolloutError, match="cannot be read"):
        resume_or_start(twin.world, PLAN.model_copy(update={"candidate": twin.candidate().number}), run="run-1")


@pytest.mark.parametrize(
    "kind", [*KINDS, "rollout.started", "driver.attached", "approval.answered", "check", "trained"]
)
@pytest.mark.parametrize("body", SPOILED.values(), ids=SPOILED.keys())
def test_a_spoiled_record_is_told_as_one(twin: Twin, kind: str, body: dict[str, Any]) -> None:
    """`history` and the report name it, and go on."""
    record = twin.ledger.append(stream(MODEL), kind, body, actor="a stranger")
    assert sentence(record)
    assert all(isinstance(reason, str) for reason in reasons(record))


def test_one_spoiled_lease_hides_no_others(twin: Twin, tmp_path: Path) -> None:
    """A file of leases of which one is no lease; and one that is no file of leases at all is an outage, not a crash."""
    in_first_stage(twin)
    lease = twin.leases.held()[MODEL]
    file = tmp_path / "leases.json"
    leases = LeaseFile(file)
    leases.hold(lease)
    file.write_text(file.read_text()[:-1] + ', "spoiled": {"route": 3}}')
    assert {MODEL: lease} == leases.held()
    file.write_text("{")
    with pytest.raises(BackendUnavailableError, match=r"leases\.json holds no leases"):
        leases.held()
