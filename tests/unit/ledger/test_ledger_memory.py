"""The ledger in memory, where it differs from the contract all stores share."""

from datetime import UTC, datetime

from firstflight.ledger.memory import MemoryRecordStore


def test_the_clock_given_dates_the_records() -> None:
    """A test that has a clock of its own finds its time in the records."""
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert noon == MemoryRecordStore(now=lambda: noon).append("s", "k", {}, actor="a").at
