"""The append-only record of what happened, and the one switch that opens it."""

from firstflight.ledger.record import Record, RecordStore
from firstflight.ledger.sql import SqlRecordStore
from firstflight.ledger.sql_tree import SqlTree
from firstflight.ledger.tree import SealedStore
from firstflight.settings import Settings

__all__ = ["Record", "RecordStore", "SealedStore", "open_store", "open_tree"]


def open_store(settings: Settings) -> RecordStore:
    """Open the ledger of the place that `settings` describe; its database is asked at the first call, not before."""
    return SqlRecordStore(settings.database("firstflight"))


def open_tree(settings: Settings) -> SealedStore:
    """Open the tree above that ledger."""
    return SqlTree(settings.database("firstflight"))
