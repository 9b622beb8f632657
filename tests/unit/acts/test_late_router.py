"""A router that obeys late, not at all, or says something else for a moment."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from firstflight.acts.enter_stage import enter_stage
from firstflight.acts.look import fault_of
from firstflight.acts.roll_back import intend_roll_back, roll_back
from firstflight.domain.errors import BackendUnavailableError, ModelNotReadyError, SplitPendingError
from firstflight.domain.errors import TrafficNotAppliedError as NotAppliedError
from firstflight.domain.traffic import TrafficSplit
from firstflight.guard.guard import Guard
from firstflight.rollout.machine import Phase
from tests.unit.acts.twin import MODEL, Twin, begun, drive, in_first_stage


def failing(call: Callable[..., Any], times: int, error: Exception) -> Callable[..., Any]:
    """Return `call`, which first fails so many times."""
    left = [error] * times

    def late(*args: Any) -> Any:
        if left:
            raise left.pop()
        return call(*args)

    return late


@pytest.mark.parametrize("error", [NotAppliedError("Envoy did not follow"), ModelNotReadyError("no live replica")])
def test_a_stage_that_cannot_be_set_leads_home(twin: Twin, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """It is recorded why, and the driver brings the model home itself."""
    rollout, backend = begun(twin), twin.world.backend
    monkeypatch.setattr(backend, "set_traffic", failing(backend.set_traffic, 1, error))
    told = enter_stage(twin.world, rollout, 10)
    assert (Phase.ROLLING_BACK, (f"10 % cannot be set: {error}",)) == (told.phase, told.reasons)
    assert Phase.ROLLED_BACK is drive(twin.world, told).phase


@pytest.mark.parametrize("error", [SplitPendingError("written"), NotAppliedError("not taken")])
def test_a_roll_back_is_tried_until_it_is_done(twin: Twin, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """A scheduler that is away for long is waited for; without patience the error is told at once."""
    rollout, backend = in_first_stage(twin), twin.world.backend
    rollout = intend_roll_back(twin.world, rollout, ("24.4 % errors",), trigger="ROLL_BACK")
    monkeypatch.setattr(backend, "set_traffic", failing(backend.set_traffic, 9, error))
    monkeypatch.setattr(backend, "evict", failing(backend.evict, 9, error))
    with pytest.raises(type(error)):
        roll_back(twin.world, rollout)
    ended = roll_back(replace(twin.world, home_seconds=600.0), rollout)
    assert (Phase.ROLLED_BACK, ("24.4 % errors",)) == (ended.phase, ended.reasons)


def test_nothing_is_stopped_while_the_way_home_is_pending(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """The router will obey: a candidate that is stopped meanwhile would only fail its share of requests."""
    rollout, backend = in_first_stage(twin), twin.world.backend
    monkeypatch.setattr(backend, "set_traffic", failing(backend.set_traffic, 1, SplitPendingError("written")))
    with pytest.raises(SplitPendingError):
        roll_back(twin.world, rollout)
    assert backend.is_ready(rollout.candidate.served_name)


def test_what_is_wrong_for_a_moment_ends_no_canary(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that dies is replaced within two seconds; what is still wrong then is a fault."""
    rollout, backend = in_first_stage(twin), twin.world.backend
    told = iter([TrafficSplit.all_to(rollout.arms.stable.served_name), rollout.split])
    with monkeypatch.context() as patched:
        patched.setattr(backend, "get_traffic", lambda _route: next(told))
        assert fault_of(twin.world, rollout) is None
    twin.world.backend.go_home(MODEL)
    assert fault_of(twin.world, rollout) is not None


def test_a_roll_back_that_an_outage_broke_off_is_due_at_once(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API is back, and the ledger says that the model was to go home: no lease is waited for."""
    rollout = in_first_stage(twin)
    intend_roll_back(twin.world, rollout, ("24.4 % errors",), trigger="ROLL_BACK")
    guard = Guard(twin.world)
    assert () == guard.round()
    with monkeypatch.context() as away:
        away.setattr(twin.world.leases, "held", failing(twin.world.leases.held, 99, BackendUnavailableError("away")))
        assert () == guard.round()
    [done] = guard.round()
    assert ("24.4 % errors", "router") == (done.reason, done.proof.way)
