"""The library's own loop, and two who bring one rollout home at once."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from firstflight.acts.roll_back import bring_home, roll_back
from firstflight.acts.start import resume_or_start
from firstflight.acts.take_over import take_over
from firstflight.domain.errors import RolloutError
from firstflight.ledger.record import Record, RecordStore
from firstflight.rollout.machine import Phase, Rollout, stream
from firstflight.serving.lease import Surrender
from tests.unit.acts.twin import MODEL, PLAN, Twin, drive


@pytest.fixture
def rollout(twin: Twin) -> Rollout:
    """A canary that has just begun."""
    twin.champion()
    return resume_or_start(twin.world, PLAN.model_copy(update={"candidate": twin.candidate().number}), run="run-1")


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


@dataclass
class Contested:
    """A ledger in which a rival takes the rollout just before the end is written, once."""

    twin: Twin
    rollout: Rollout
    rival: list[Rollout] = field(default_factory=list)

    @property
    def _store(self) -> RecordStore:
        return self.twin.world.ledger

    def append(self, stream: str, kind: str, body: dict[str, Any], *, actor: str, expect: int | None = None) -> Record:
        """Append, unless the rival is quicker."""
        if kind == "rollout.rolled_back" and not self.rival:
            known = self.rollout.model_copy(update={"head": self._store.head(stream), "phase": Phase.ROLLING_BACK})
            self.rival.append(take_over(self.twin.world, known, actor="the guard"))
        return self._store.append(stream, kind, body, actor=actor, expect=expect)

    def read(self, stream: str, after: int = 0) -> tuple[Record, ...]:
        """Read as ever."""
        return self._store.read(stream, after)

    def head(self, stream: str) -> int:
        """The head as ever."""
        return self._store.head(stream)

    def streams(self, prefix: str) -> tuple[str, ...]:
        """The streams as ever."""
        return self._store.streams(prefix)


def test_of_two_who_bring_it_home_one_lets_the_other_finish(twin: Twin, rollout: Rollout) -> None:
    """The one that is refused waits and finds it done: the token changes hands once, not for ever."""
    contested = Contested(twin, rollout)

    def wait(seconds: float) -> None:
        if contested.rival and not contested.rival[0].final:
            contested.rival[0] = roll_back(twin.world, contested.rival[0])
        twin.wait(seconds)

    world = replace(twin.world, ledger=contested, wait=wait)
    ended = bring_home(world, rollout, Surrender(actor="run-1", reason="harm", trigger="ROLL_BACK"))
    assert Phase.ROLLED_BACK is ended.phase
    told = twin.world.ledger.read(stream(MODEL))
    assert ["run-1", "the guard"] == [record.actor for record in told if record.kind == "driver.attached"]
    assert ["the guard"] == [record.actor for record in told if record.kind == "rollout.rolled_back"]


def test_a_rival_that_dies_does_not_hold_it_up(twin: Twin, rollout: Rollout) -> None:
    """The rival does not finish: the end is written under the token he took."""
    contested = Contested(twin, rollout)
    world = replace(twin.world, ledger=contested)
    ended = bring_home(world, rollout, Surrender(actor="run-1", reason="harm", trigger="ROLL_BACK"))
    assert Phase.ROLLED_BACK is ended.phase
    told = twin.world.ledger.read(stream(MODEL))
    assert ["run-1", "the guard"] == [record.actor for record in told if record.kind == "driver.attached"]
