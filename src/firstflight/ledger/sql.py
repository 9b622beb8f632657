"""A ledger in PostgreSQL: one table that its own trigger allows to grow and not to change.

Whoever owns the table could drop the trigger: services are given `RIGHTS` and no more.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, LiteralString

import psycopg

from firstflight.domain.errors import LedgerError, StoreUnavailableError
from firstflight.domain.sqlstates import NOT_MADE, is_away
from firstflight.ledger.record import Record
from firstflight.ledger.rules import canonical, check_text, head_moved

_CONNECT_SECONDS = 5
_LIMITS = (
    "SELECT set_config('lock_timeout', '10s', true), set_config('statement_timeout', '15s', true),"
    " set_config('synchronous_commit', 'on', true)"
)
RIGHTS: dict[str, LiteralString] = {"ledger": "SELECT, INSERT"}
"""What a role that adds and reads records needs, by table."""
_MOST = 2**63 - 1
_SCHEMA_LOCK = 0x4646_4C44  # any number that nothing else in the database locks

_HAS_SCHEMA = (
    "SELECT 1 FROM pg_trigger JOIN pg_index ON indrelid = tgrelid JOIN pg_class ON pg_class.oid = indexrelid"
    " WHERE tgname = 'ledger_only_grows' AND tgrelid = to_regclass('ledger') AND relname = 'ledger_by_name'"
)
_TAIL = (
    "SELECT stream, number, at, kind, actor, body::text FROM ledger WHERE stream = %s AND number >= ("
    " SELECT number FROM ledger WHERE stream = %s AND kind = %s AND number < %s ORDER BY number DESC LIMIT 1)"
    " ORDER BY number"
)
# From one name to the next by its index, from the first with the prefix to the last, whatever lies between or beside.
_STREAMS = (
    "WITH RECURSIVE named AS ("
    ' (SELECT stream FROM ledger WHERE stream COLLATE "C" >= %s ORDER BY stream COLLATE "C" LIMIT 1) UNION ALL'
    ' SELECT (SELECT stream FROM ledger WHERE stream COLLATE "C" > named.stream ORDER BY stream COLLATE "C" LIMIT 1)'
    " FROM named WHERE starts_with(named.stream, %s))"
    ' SELECT stream FROM named WHERE starts_with(stream, %s) ORDER BY stream COLLATE "C"'
)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS ledger (
    stream text NOT NULL,
    number bigint NOT NULL CHECK (number >= 1),
    at     timestamptz NOT NULL,
    kind   text NOT NULL,
    actor  text NOT NULL,
    body   json NOT NULL,
    PRIMARY KEY (stream, number)
);
CREATE INDEX IF NOT EXISTS ledger_by_name ON ledger (stream COLLATE "C");
CREATE OR REPLACE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger only grows: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE OR REPLACE TRIGGER ledger_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
ALTER TABLE ledger ENABLE ALWAYS TRIGGER ledger_only_grows;
"""


class SqlRecordStore:
    """Records in the PostgreSQL database at `url` (`postgresql://…`), which may hold a password and is never shown.

    Each call opens a connection of its own, so that threads, forks and a database that was restarted
    need no care. The database's clock dates the records: writers may be on several machines.

    Every method raises StoreUnavailableError when the database does not answer. After `append` did, the
    record may have been written or not: read before trying again, or give `expect`.
    """

    def __init__(self, url: str) -> None:
        """Keep the address; the table is made at the first call."""
        self._url = url
        self._has_schema = False

    def append(self, stream: str, kind: str, body: dict[str, Any], *, actor: str, expect: int | None = None) -> Record:
        """Append one record and return it."""
        check_text(stream=stream, kind=kind, actor=actor)
        text = canonical(body)
        with self._connection() as connection:
            # A statement of its own: the next one then sees what the lock's last holder committed.
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, %s))", (stream, _SCHEMA_LOCK))
            head = _head(connection, stream)
            if expect is not None and expect != head:
                raise head_moved(stream, expect, head)
            row = _one(
                connection,
                "INSERT INTO ledger (stream, number, at, kind, actor, body)"
                " VALUES (%s, %s, clock_timestamp(), %s, %s, %s)"
                " RETURNING stream, number, at, kind, actor, body::text",
                (stream, head + 1, kind, actor, text),
            )
        return _record(row)

    def read(self, stream: str, after: int = 0) -> tuple[Record, ...]:
        """Return the records of `stream` numbered above `after`, in order."""
        query: LiteralString = (
            "SELECT stream, number, at, kind, actor, body::text FROM ledger"
            " WHERE stream = %s AND number > %s ORDER BY number"
        )
        with self._connection() as connection:
            return tuple(_record(row) for row in connection.execute(query, (stream, after)))

    def tail(self, stream: str, kind: str, before: int | None = None) -> tuple[Record, ...]:
        """Return the records of `stream` from its last one of `kind` on, in order; none when there is none of it."""
        with self._connection() as connection:
            found = connection.execute(_TAIL, (stream, stream, kind, _MOST if before is None else before))
            return tuple(_record(row) for row in found)

    def head(self, stream: str) -> int:
        """Return the number of the stream's last record; 0 when there is none."""
        with self._connection() as connection:
            return _head(connection, stream)

    def now(self) -> datetime:
        """Return the time by the database's clock, which dates the records."""
        with self._connection() as connection:
            at: datetime = _one(connection, "SELECT clock_timestamp()", ())[0]
        return at.astimezone(UTC)

    def streams(self, prefix: str) -> tuple[str, ...]:
        """Return the names of the streams that begin with `prefix`, sorted."""
        with self._connection() as connection:
            return tuple(str(row[0]) for row in connection.execute(_STREAMS, (prefix, prefix, prefix)))

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection]:
        """Open a connection and a transaction that is committed when the block ends well."""
        try:
            if not self._has_schema:
                with transaction(self._url) as connection:
                    make_tables(connection)
                self._has_schema = True
            with transaction(self._url) as connection:
                yield connection
        except psycopg.Error as error:
            self._has_schema = False  # what comes back may be another database
            raise refusal(error) from error


@contextmanager
def transaction(url: str) -> Iterator[psycopg.Connection]:
    """Open a connection, and a transaction that waits for nothing long and is committed when the block ends well."""
    with psycopg.connect(url, connect_timeout=_CONNECT_SECONDS) as connection:
        connection.execute(_LIMITS)
        yield connection


def refusal(error: psycopg.Error) -> LedgerError | StoreUnavailableError:
    """Return what the database's error means to whoever called: away for now, or refused for good."""
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) or is_away(error.sqlstate):
        return StoreUnavailableError(f"the ledger's database did not answer: {_sentence(error)}")
    return LedgerError(f"the ledger's database refused: {_sentence(error)}")


def make_tables(connection: psycopg.Connection) -> None:
    """Make what is missing, one caller at a time.

    Raises:
        StoreUnavailableError: Somebody else has to, and has not yet.
    """
    if connection.execute(_HAS_SCHEMA).fetchone() is None:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_SCHEMA_LOCK,))
        try:
            connection.execute(_SCHEMA)
        except psycopg.errors.InsufficientPrivilege as error:
            raise StoreUnavailableError(NOT_MADE) from error


def _head(connection: psycopg.Connection, stream: str) -> int:
    return int(_one(connection, "SELECT coalesce(max(number), 0) FROM ledger WHERE stream = %s", (stream,))[0])


def _one(connection: psycopg.Connection, query: LiteralString, values: tuple[Any, ...]) -> tuple[Any, ...]:
    [row] = connection.execute(query, values).fetchall()
    return row


def _record(row: tuple[Any, ...]) -> Record:
    stream, number, at, kind, actor, text = row
    body = json.loads(text)
    if not isinstance(body, dict):  # written by a stranger: one spoiled record hides no others
        body = {"unreadable": body}
    return Record(stream=stream, number=number, at=at.astimezone(UTC), kind=kind, actor=actor, body=body)


def _sentence(error: psycopg.Error) -> str:
    return " ".join(str(error).split()) or type(error).__name__
