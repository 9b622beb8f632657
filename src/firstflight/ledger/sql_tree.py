"""The ledger's tree in PostgreSQL: two tables beside the records, which only grow as they do.

Records are found by their streams' heads, not by their time: one that was committed late is taken in late, and none is
passed over. A crash leaves either all of a sealing or nothing of it.
"""

from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from typing import Any, LiteralString

import psycopg

from firstflight.domain.errors import StoreUnavailableError
from firstflight.domain.sqlstates import NOT_MADE
from firstflight.ledger.checkpoint import Checkpoint, Signer
from firstflight.ledger.merkle import Frontier
from firstflight.ledger.rules import canonical
from firstflight.ledger.sql import refusal, transaction
from firstflight.ledger.tree import STREAM, TAKEN_IN, Entry, Head, Row, begin, grow, head, placed

RIGHTS: dict[str, LiteralString] = dict.fromkeys(("ledger_leaf", "ledger_head"), "SELECT, INSERT")
"""What a role that seals and verifies needs, by table."""
_AT_ONCE = 1000
_HASH = 32
_TREE_LOCK = 0x4646_4C54  # any number that nothing else in the database locks

_HAS_SCHEMA = (
    "SELECT 1 FROM pg_trigger WHERE tgname = 'ledger_head_only_grows' AND tgrelid = to_regclass('ledger_head')"
)
_SCHEMA = """
CREATE TABLE ledger_leaf (
    index  bigint PRIMARY KEY CHECK (index >= 0),
    stream text NOT NULL,
    number bigint NOT NULL,
    hash   bytea NOT NULL,
    UNIQUE (stream, number)
);
CREATE TABLE ledger_head (
    id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    size  bigint NOT NULL,
    root  bytea NOT NULL,
    peaks bytea NOT NULL,
    note  text
);
COMMENT ON TABLE ledger_leaf IS 'the place of each record in the tree, and its hash (RFC 6962)';
COMMENT ON COLUMN ledger_head.peaks IS 'roots of the full subtrees, widest first';
COMMENT ON COLUMN ledger_head.note IS 'the signed checkpoint (https://c2sp.org/tlog-checkpoint); null: no key';
CREATE TRIGGER ledger_leaf_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_leaf
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
CREATE TRIGGER ledger_head_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_head
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse();
ALTER TABLE ledger_leaf ENABLE ALWAYS TRIGGER ledger_leaf_only_grows;
ALTER TABLE ledger_head ENABLE ALWAYS TRIGGER ledger_head_only_grows;
"""
# From one stream's name to the next by the index. A stream's order is kept though its clock was set back.
_NEW = """
WITH RECURSIVE named AS (
    (SELECT stream FROM ledger ORDER BY stream LIMIT 1) UNION ALL
    SELECT (SELECT stream FROM ledger WHERE stream > named.stream ORDER BY stream LIMIT 1) FROM named
    WHERE named.stream IS NOT NULL
), fresh AS (
    SELECT found.* FROM named CROSS JOIN LATERAL (
        SELECT stream, number, at, kind, actor, body::text AS body FROM ledger
        WHERE stream = named.stream AND number > (
            SELECT coalesce(max(number), 0) FROM ledger_leaf WHERE stream = named.stream)
    ) AS found
)
SELECT stream, number, at, kind, actor, body FROM fresh
ORDER BY max(at) OVER (PARTITION BY stream ORDER BY number), stream, number
"""
_PLACES = "SELECT index, hash FROM ledger_leaf WHERE index >= %s ORDER BY index"
_HEADS = "SELECT size, root, peaks, note FROM ledger_head ORDER BY id"
_ENTRIES = """
SELECT index, leaf.stream, leaf.number, hash, at, kind, actor, body::text
FROM ledger_leaf AS leaf LEFT JOIN ledger USING (stream, number) ORDER BY index
"""
_WAITING = """
SELECT count(*) FROM ledger WHERE NOT EXISTS (
    SELECT FROM ledger_leaf AS leaf WHERE leaf.stream = ledger.stream AND leaf.number = ledger.number)
"""


class SqlTree:
    """The tree of the ledger at `url`; its tables are made with the ledger's, by `make_tree`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def seal(self, signer: Signer | None, kept: Checkpoint | None = None) -> Head | None:
        """Take in what was appended since, and return the newest head; None while there are no records."""
        with self._connection() as connection:
            return _seal(connection, signer, kept)

    def heads(self) -> tuple[Head, ...]:
        """Return every head, as they were made."""
        with self._connection() as connection:
            return tuple(_head(row) for row in connection.execute(_HEADS))

    def entries(self) -> Iterator[Entry]:
        """Yield every place of the tree in order; the database's cursor keeps the rest."""
        with self._connection() as connection:
            connection.execute("SELECT set_config('statement_timeout', '0', true)")  # a million take their time
            for index, stream, number, hashed, at, kind, actor, body in _streamed(connection, _ENTRIES):
                leaf = None if body is None else Row(stream, number, at, kind, actor, body).leaf()
                yield Entry(index, stream, number, bytes(hashed), leaf)

    def waiting(self) -> int:
        """Return how many records have no place yet."""
        with self._connection() as connection:
            [(count,)] = connection.execute(_WAITING).fetchall()
        return int(count)

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection]:
        try:
            with transaction(self._url) as connection:
                if connection.execute(_HAS_SCHEMA).fetchone() is None:
                    raise StoreUnavailableError(NOT_MADE)
                yield connection
        except psycopg.Error as error:
            raise refusal(error) from error


def make_tree(connection: psycopg.Connection) -> None:
    """Make what is missing in the transaction of `connection`, and take in the records that were there before.

    A record of its own says how many those were, and the root over them.
    """
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_TREE_LOCK,))
    if connection.execute(_HAS_SCHEMA).fetchone() is not None:
        return
    connection.execute(_SCHEMA)
    if (taken := _seal(connection, None, None)) is not None:
        body = canonical({"records": taken.size, "root": taken.root.hex()})
        connection.execute(
            "INSERT INTO ledger SELECT %(s)s, coalesce(max(number), 0) + 1, clock_timestamp(), %(kind)s, 'migrate',"
            " %(body)s FROM ledger WHERE stream = %(s)s",
            {"s": STREAM, "kind": TAKEN_IN, "body": body},
        )


def _seal(connection: psycopg.Connection, signer: Signer | None, kept: Checkpoint | None) -> Head | None:
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_TREE_LOCK,))
    with closing(_streamed(connection, f"{_HEADS} DESC")) as heads:
        frontier, newest = begin(map(_head, heads), signer, kept)
    for index, hashed in _streamed(connection, _PLACES, (frontier.size,)):
        grow(frontier, index, bytes(hashed))
    new = _streamed(connection, _NEW)
    while rows := [Row(*row) for row in islice(new, _AT_ONCE)]:
        _place(connection, frontier, rows)
    if frontier.size > (newest.size if newest else 0):
        newest = head(frontier, signer)
        connection.execute(
            "INSERT INTO ledger_head (size, root, peaks, note) VALUES (%s, %s, %s, %s)",
            (newest.size, newest.root, b"".join(newest.peaks), newest.note),
        )
    return newest


def _place(connection: psycopg.Connection, frontier: Frontier, rows: list[Row]) -> None:
    """Give each of `rows` the next place."""
    places = []
    for row in rows:
        entry = placed(frontier.size, row)
        frontier.add(entry.hash)
        places.append((entry.index, entry.stream, entry.number, entry.hash))
    connection.cursor().executemany("INSERT INTO ledger_leaf VALUES (%s, %s, %s, %s)", places)


def _streamed(
    connection: psycopg.Connection, query: LiteralString, values: tuple[Any, ...] = ()
) -> Generator[tuple[Any, ...], None, None]:
    """Yield the rows of `query`, which stay in the database until they are wanted."""
    with connection.cursor(name="rows") as cursor:
        cursor.itersize = _AT_ONCE
        yield from cursor.execute(query, values)


def _head(row: tuple[Any, ...]) -> Head:
    size, root, peaks, note = row
    return Head(size, bytes(root), tuple(peaks[at : at + _HASH] for at in range(0, len(peaks), _HASH)), note)
