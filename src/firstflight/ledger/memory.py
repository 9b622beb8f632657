"""A ledger and its tree in memory, for tests and dry runs."""

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from firstflight.ledger.checkpoint import Checkpoint, Signer
from firstflight.ledger.record import Record
from firstflight.ledger.rules import canonical, check_text, head_moved
from firstflight.ledger.tree import Entry, Head, Row, begin, grow, head, placed


def _utc_now() -> datetime:
    return datetime.now(UTC)


class MemoryRecordStore:
    """Records of this process; `now` is the clock that dates them."""

    def __init__(self, now: Callable[[], datetime] = _utc_now) -> None:
        self._now = now
        self._alone = threading.Lock()
        self._records: defaultdict[str, list[Record]] = defaultdict(list)

    def append(self, stream: str, kind: str, body: dict[str, Any], *, actor: str, expect: int | None = None) -> Record:
        """Append one record and return it."""
        check_text(stream=stream, kind=kind, actor=actor)
        text = canonical(body)
        with self._alone:
            head = self.head(stream)
            if expect is not None and expect != head:
                raise head_moved(stream, expect, head)
            at = self._now()
            record = Record(stream=stream, number=head + 1, at=at, kind=kind, actor=actor, body=json.loads(text))
            self._records[stream].append(record)
        return _apart(record)

    def read(self, stream: str, after: int = 0) -> tuple[Record, ...]:
        """Return the records of `stream` numbered above `after`, in order."""
        return tuple(_apart(record) for record in self._records.get(stream, [])[max(after, 0) :])

    def tail(self, stream: str, kind: str, before: int | None = None) -> tuple[Record, ...]:
        """Return the records of `stream` from its last one of `kind` on, in order; none when there is none of it."""
        for record in reversed(self._records.get(stream, [])[: None if before is None else max(before - 1, 0)]):
            if record.kind == kind:
                return self.read(stream, after=record.number - 1)
        return ()

    def head(self, stream: str) -> int:
        """Return the number of the stream's last record; 0 when there is none."""
        return len(self._records.get(stream, ()))

    def now(self) -> datetime:
        """Return the time that a record would have."""
        return self._now()

    def streams(self, prefix: str) -> tuple[str, ...]:
        """Return the names of the streams that begin with `prefix`, sorted."""
        return tuple(sorted(stream for stream in tuple(self._records) if stream.startswith(prefix)))


class MemoryTree:
    """The tree above the records of `store`."""

    def __init__(self, store: MemoryRecordStore) -> None:
        self._store = store
        self._alone = threading.Lock()
        self._entries: list[Entry] = []
        self._heads: list[Head] = []

    def seal(self, signer: Signer | None, kept: Checkpoint | None = None) -> Head | None:
        """Take in what was appended since, and return the newest head; None while there are no records."""
        with self._alone:
            frontier, newest = begin(reversed(self._heads), signer, kept)
            for entry in self._entries[frontier.size :]:
                grow(frontier, entry.index, entry.hash)
            for row in self._fresh():
                self._entries.append(placed(frontier.size, row))
                frontier.add(self._entries[-1].hash)
            if frontier.size > (newest.size if newest else 0):
                newest = head(frontier, signer)
                self._heads.append(newest)
            return newest

    def heads(self) -> tuple[Head, ...]:
        """Return every head, as they were made."""
        return tuple(self._heads)

    def entries(self) -> Iterator[Entry]:
        """Yield every place of the tree in order."""
        yield from self._entries

    def waiting(self) -> int:
        """Return how many records have no place yet."""
        return len(self._fresh())

    def _fresh(self) -> list[Row]:
        sealed = {(entry.stream, entry.number) for entry in self._entries}
        found = [record for stream in self._store.streams("") for record in self._store.read(stream)]
        return [
            Row(one.stream, one.number, one.at, one.kind, one.actor, canonical(one.body))
            for one in sorted(found, key=lambda record: record.at)
            if (one.stream, one.number) not in sealed
        ]


def _apart(record: Record) -> Record:
    """A copy whose body the caller may change without changing what is kept."""
    return record.model_copy(deep=True)
