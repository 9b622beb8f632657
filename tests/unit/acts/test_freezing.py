"""What a freeze does to rollouts."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from firstflight.acts.freeze import begin_freeze, lift_freezes
from firstflight.acts.homecoming import bring_model_home
from firstflight.domain.errors import RolloutError
from firstflight.rollout.freeze import Freeze
from firstflight.rollout.machine import Phase
from firstflight.world import World
from tests.unit.acts.twin import MODEL, Twin, begun, drive, in_first_stage


def stop_the_line(twin: Twin) -> None:
    """Freeze from now on."""
    begin_freeze(twin.world.ledger, Freeze(by="ada", reason="incident 42", since=twin.world.now()))


def at(twin: Twin, seconds: float, do: Callable[[], object]) -> World:
    """The twin's world, in which `do` happens once that many seconds have passed."""
    due = twin.time.now + seconds
    done: list[object] = []

    def wait(given: float) -> None:
        twin.wait(given)
        if not done and twin.time.now >= due:
            done.append(do() or True)

    return replace(twin.world, wait=wait)


def test_no_rollout_begins(twin: Twin) -> None:
    """It is refused with who froze and why, and leaves no record."""
    stop_the_line(twin)
    with pytest.raises(RolloutError, match=r"frozen by ada .* incident 42"):
        begun(twin)
    kinds = [record.kind for record in twin.world.ledger.read(f"rollout/{MODEL}")]
    assert "rollout.started" not in kinds


def test_traffic_stays_until_the_thaw(twin: Twin) -> None:
    """An open rollout keeps its weight while the line is stopped, and goes on when it is not."""
    rollout = in_first_stage(twin)
    stop_the_line(twin)
    splits = []

    def thaw() -> None:
        splits.append(twin.world.backend.get_traffic(MODEL))
        lift_freezes(twin.world.ledger, by="ada", reason="over")

    world = at(twin, 200, thaw)
    assert Phase.PROMOTED is drive(world, rollout).phase
    assert [rollout.split] == splits


def test_waiting_has_an_end(twin: Twin) -> None:
    """After as long as a person may take to answer, traffic goes home, and the freeze is named."""
    rollout = in_first_stage(twin, approval_seconds=60)
    stop_the_line(twin)
    ended = drive(twin.world, rollout)
    assert Phase.ROLLED_BACK is ended.phase
    assert "incident 42" in ended.reasons[0]


def test_going_home_is_always_allowed(twin: Twin) -> None:
    """A freeze stops traffic from being raised, never from going back."""
    rollout = in_first_stage(twin)
    stop_the_line(twin)
    home = bring_model_home(twin.world, MODEL, actor="ada", reason="stop")
    assert rollout.home == home.proof.reported
