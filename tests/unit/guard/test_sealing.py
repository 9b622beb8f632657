"""The ledger is sealed beside the rounds, and what keeps it from that is said once."""

import logging

import pytest

from firstflight.domain.errors import CheckpointError, StoreUnavailableError
from firstflight.guard.sealing import SEAL_SECONDS, Sealing
from firstflight.ledger.checkpoint import Signer
from firstflight.ledger.memory import MemoryRecordStore, MemoryTree


def filled() -> MemoryTree:
    """A tree above one record."""
    store = MemoryRecordStore()
    store.append("s", "first", {}, actor="a")
    return MemoryTree(store)


def test_it_seals_round_after_round_whatever_comes(caplog: pytest.LogCaptureFixture) -> None:
    """A bug in one round does not end the next."""
    tree, waits = filled(), []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            raise SystemExit

    def key() -> Signer:
        if not waits:
            raise KeyError("a bug")
        return Signer("log", bytes(32))

    with pytest.raises(SystemExit):
        Sealing(tree, key, None, wait).rounds()
    assert [SEAL_SECONDS, SEAL_SECONDS] == waits
    assert [1] == [head.size for head in tree.heads()]
    assert "could not be sealed" in caplog.text


def test_what_is_wrong_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """An error is one line however long it lasts, no key is a warning, and a database that is away is no news."""
    caplog.set_level(logging.INFO)

    def refused() -> Signer:
        raise CheckpointError("others may read it")

    for key in (refused, lambda: None):
        sealing = Sealing(filled(), key, None)
        for _ in range(2):
            sealing.round()

    class Away(MemoryTree):
        """A tree whose database is away."""

        def seal(self, *_: object) -> None:  # type: ignore[override]
            raise StoreUnavailableError("nobody answers")

    Sealing(Away(MemoryRecordStore()), lambda: None, None).round()
    assert [(logging.ERROR, True), (logging.WARNING, True), (logging.INFO, True)] == [
        (record.levelno, said in record.getMessage())
        for record, said in zip(
            caplog.records, ["others may read it", "set FIRSTFLIGHT_LEDGER_KEY", "is sealed later"], strict=True
        )
    ]
