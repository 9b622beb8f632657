"""The library's own loop, and two who bring one rollout home at once."""

from dataclasses import replace

import pytest

from benchmarks.faults.twin import Process
from firstflight.acts.lease import renew_lease
from firstflight.acts.roll_back import bring_home, roll_back
from firstflight.acts.take_over import take_over
from firstflight.domain.errors import RolloutError, StaleTokenError
from firstflight.rollout.machine import Phase, Rollout, stream
from firstflight.serving.lease import Surrender
from tests.unit.acts.twin import MODEL, Twin, begun, drive


@pytest.fixture
def rollout(twin: Twin) -> Rollout:
    """A canary that has just begun."""
    return begun(twin)


def test_a_good_candidate_is_driven_to_its_promotion(twin: Twin, rollout: Rollout) -> None:
    """Every stage in its order, then the bake."""
    ended = drive(twin.world, rollout)
    assert Phase.PROMOTED is ended.phase
    assert (10, 50, 100) == ended.passed


def test_a_driver_whose_rollout_somebody_took_stops(twin: Twin, rollout: Rollout) -> None:
    """It says who drives now, and does not take it back."""
    take_over(twin.world, rollout, actor="run-2")
    with pytest.raises(RolloutError, match="taken over by run-2; this process stops"):
        drive(twin.world, rollout)


def test_a_driver_who_thaws_holds_nothing_that_has_ended(twin: Twin, rollout: Rollout) -> None:
    """It was frozen while somebody else ended its rollout: no lease is made again, the end is what it reads."""
    ended = bring_home(twin.world, rollout, Surrender(actor="ada", reason="harm", trigger="person"))
    with pytest.raises(StaleTokenError, match="no lease any more"):
        renew_lease(twin.world, rollout)
    assert ended == drive(twin.world, rollout)
    assert {} == twin.leases.all


def test_a_lease_that_was_lost_is_taken_anew_by_who_drives(twin: Twin, rollout: Rollout) -> None:
    """The ledger says that the rollout is open, and whose it is: nobody is brought home for a file that is gone."""
    twin.leases.all.clear()
    assert Phase.PROMOTED is drive(twin.world, rollout).phase


def contested(twin: Twin, rollout: Rollout) -> list[Rollout]:
    """Let a rival take the rollout just before its end is written, once; what he took is in the list then."""
    rival: list[Rollout] = []

    def strike(_process: Process, call: str) -> None:
        if call == "append:rollout.rolled_back" and not rival:
            known = rollout.model_copy(update={"head": twin.ledger.head(stream(MODEL)), "phase": Phase.ROLLING_BACK})
            rival.append(take_over(twin.world, known, actor="the guard"))

    twin.faults = strike
    return rival


def test_of_two_who_bring_it_home_one_lets_the_other_finish(twin: Twin, rollout: Rollout) -> None:
    """The one that is refused waits and finds it done: the token changes hands once, not for ever."""
    rival = contested(twin, rollout)

    def wait(seconds: float) -> None:
        if rival and not rival[0].final:
            rival[0] = roll_back(twin.world, rival[0])
        twin.wait(seconds)

    world = replace(twin.world_of(Process("run-1")), wait=wait)
    ended = bring_home(world, rollout, Surrender(actor="run-1", reason="harm", trigger="ROLL_BACK"))
    assert Phase.ROLLED_BACK is ended.phase
    told = twin.world.ledger.read(stream(MODEL))
    assert ["run-1", "the guard"] == [record.actor for record in told if record.kind == "driver.attached"]
    assert ["the guard"] == [record.actor for record in told if record.kind == "rollout.rolled_back"]


def test_a_rival_that_dies_does_not_hold_it_up(twin: Twin, rollout: Rollout) -> None:
    """The rival does not finish: the end is written under the token he took."""
    contested(twin, rollout)
    world = twin.world_of(Process("run-1"))
    ended = bring_home(world, rollout, Surrender(actor="run-1", reason="harm", trigger="ROLL_BACK"))
    assert Phase.ROLLED_BACK is ended.phase
    told = twin.world.ledger.read(stream(MODEL))
    assert ["run-1", "the guard"] == [record.actor for record in told if record.kind == "driver.attached"]
