"""What the ledger tells of a model now, without what it told of earlier rollouts."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from firstflight.acts.ledger_view import current, open_rollouts, reread
from firstflight.ledger.memory import MemoryRecordStore
from firstflight.ledger.record import Record
from firstflight.rollout.machine import rollouts
from tests.unit.rollout.test_machine import ARMS, started

HOME = {"split": {"stable": ARMS.stable.served_name, "weights": {ARMS.stable.served_name: 100}}, "reasons": ["bad"]}
FOLLOWING: tuple[tuple[str, dict[str, Any]], ...] = (
    ("driver.attached", {}),
    ("stage.intended", {"stage": 5}),
    ("stage.passed", {"stage": "nonsense"}),
    ("rollout.rolled_back", HOME),
    ("rollout.started", {}),
)


class Read(MemoryRecordStore):
    """A ledger that counts the records it gives out."""

    given = 0

    def read(self, stream: str, after: int = 0) -> tuple[Record, ...]:
        """Return them."""
        found = super().read(stream, after)
        self.given += len(found)
        return found


def written(kinds: list[int]) -> Read:
    """A ledger of model m: -1 begins a rollout, others are of FOLLOWING."""
    ledger = Read()
    for number, kind in enumerate(kinds, start=1):
        name, body = ("rollout.started", started(number=number).body) if kind < 0 else FOLLOWING[kind]
        ledger.append("rollout/m", name, body, actor=f"run-{number}")
    return ledger


@given(st.lists(st.integers(-1, len(FOLLOWING) - 1), max_size=25))
def test_the_last_rollout_is_that_of_the_whole_stream(kinds: list[int]) -> None:
    """Whatever stands before it, and whatever cannot be read; so is each that is read again."""
    ledger = written(kinds)
    told = rollouts(ledger.read("rollout/m"))
    assert (told[-1] if told else None) == current(ledger, "m")
    assert told == tuple(reread(ledger, rollout) for rollout in told)
    assert tuple(one for one in told[-1:] if not one.final) == open_rollouts(ledger)


def test_what_earlier_rollouts_wrote_is_not_read() -> None:
    """After a thousand of them it costs what it did after one."""
    costs = []
    for earlier in (1, 1000):
        ledger = written([*[-1, 0, 1, 3] * earlier, -1, 0, 1])
        rollout = current(ledger, "m")
        assert rollout is not None
        reread(ledger, rollout)
        open_rollouts(ledger)
        costs.append(ledger.given)
    assert [9, 9] == costs
