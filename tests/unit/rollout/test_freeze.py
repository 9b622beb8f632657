"""Freezes, as their records tell them."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from firstflight.acts.freeze import begin_freeze, lift_freezes
from firstflight.ledger.memory import MemoryRecordStore
from firstflight.rollout.freeze import STREAM, Freeze, freezes, frozen

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LINE = Freeze(by="ada", reason="incident 42", since=NOON)
NIGHT = Freeze(by="bob", reason="nobody is there", since=NOON, until=NOON + timedelta(hours=8))


@pytest.fixture
def ledger() -> MemoryRecordStore:
    """An empty ledger, written the day before."""
    return MemoryRecordStore(now=lambda: NOON - timedelta(days=1))


def test_nothing_is_frozen_at_first(ledger: MemoryRecordStore) -> None:
    """No record, no freeze."""
    assert frozen(ledger.read(STREAM), NOON) is None


def test_a_window_holds_between_its_ends(ledger: MemoryRecordStore) -> None:
    """From its beginning up to, not including, its end."""
    begin_freeze(ledger, NIGHT)
    records = ledger.read(STREAM)
    holding = [frozen(records, NOON + timedelta(hours=hour)) for hour in (-1, 0, 7, 8)]
    assert [None, NIGHT, NIGHT, None] == holding


def test_the_longest_of_several_is_told(ledger: MemoryRecordStore) -> None:
    """Who waits wants to know how long."""
    begin_freeze(ledger, LINE)
    begin_freeze(ledger, NIGHT)
    assert LINE == frozen(ledger.read(STREAM), NOON)


def test_lifting_lifts_all_and_is_recorded(ledger: MemoryRecordStore) -> None:
    """Announced ones too; lifting nothing writes nothing."""
    begin_freeze(ledger, LINE)
    begin_freeze(ledger, NIGHT)
    assert (LINE, NIGHT) == lift_freezes(ledger, by="ada", reason="over")
    assert () == freezes(ledger.read(STREAM))
    assert () == lift_freezes(ledger, by="ada", reason="again")
    assert 3 == ledger.head(STREAM)


@pytest.mark.parametrize("changes", [{"reason": " "}, {"until": NOON}, {"until": NOON - timedelta(hours=1)}])
def test_a_freeze_has_a_reason_and_runs_forward(changes: dict[str, object]) -> None:
    """People will ask, and a window that ends before it begins is a slip."""
    with pytest.raises(ValidationError):
        Freeze.model_validate({**LINE.model_dump(), **changes})
