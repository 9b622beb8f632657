"""The one record type of the ledger, and its one door."""

from datetime import datetime
from typing import Any, Protocol

from pydantic import AwareDatetime, Field

from firstflight.domain.values import Value


class Record(Value):
    """One thing that happened. Records of a stream are numbered from 1 without gaps."""

    stream: str = Field(description="What it is about, e.g. `rollout/financial-predictor`.")
    number: int = Field(ge=1)
    at: AwareDatetime
    kind: str = Field(description="Dotted name of the event, e.g. `traffic.set`.")
    actor: str = Field(description="Who wrote it: a flow run, the guard, a person at the CLI.")
    body: dict[str, Any]


class RecordStore(Protocol):
    """Append-only records. Raises StoreUnavailableError when the store does not answer."""

    def append(self, stream: str, kind: str, body: dict[str, Any], *, actor: str, expect: int | None = None) -> Record:
        """Append one record and return it.

        `expect` is the number of the stream's last record as the writer knows it (0: none yet);
        when it has moved, HeadMovedError is raised and nothing is written.
        """

    def read(self, stream: str, after: int = 0) -> tuple[Record, ...]:
        """Return the records of `stream` numbered above `after`, in order."""

    def tail(self, stream: str, kind: str, before: int | None = None) -> tuple[Record, ...]:
        """Return the records of `stream` from its last one of `kind` on, in order; none when there is none of it.

        What lies behind that record costs nothing. With `before`, from the last one numbered below it.
        """

    def head(self, stream: str) -> int:
        """Return the number of the stream's last record; 0 when there is none."""

    def now(self) -> datetime:
        """Return the time by the clock that dates the records: durations that outlive a process are told by it."""

    def streams(self, prefix: str) -> tuple[str, ...]:
        """Return the names of the streams that begin with `prefix`, sorted."""
