"""The tables that grow with traffic, divided by day: made ahead, dropped whole, never emptied row by row.

A row belongs to the day (UTC) of the stamp with which it was added. Where no day was made ahead it goes to the table's
rest, of which the next call makes a partition. Keys hold the stamp, as PostgreSQL wants it, so it is those who add rows
that look whether one is there: one at a time, for they hold the row of `ingestion`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import psycopg
from psycopg import sql

AHEAD = 3
"""Days for which partitions are there before they are needed."""
DIVIDED: dict[str, tuple[LiteralString, LiteralString]] = {
    "prediction": ("ingested_at", "rid, listener"),
    "outcome": ("ingested_at", "rid"),
    "unit_outcome": ("ingested_at", "route, unit"),
    "scored": ("scored_at", "route, served, unit"),
}
"""By table: the stamp it is divided by, and what a row is known by beside it."""
_DAY = timedelta(days=1)
_FIRST = datetime.min.replace(tzinfo=UTC)
_BOUND = re.compile(r"FROM \((?:MINVALUE|'([^']+)')\) TO \('([^']+)'\)")
_UNDIVIDED = """
SELECT relname FROM pg_class
WHERE relname = ANY(%s) AND relkind = 'r' AND NOT relispartition AND relnamespace = current_schema()::regnamespace
"""
_INDEXES = """
SELECT index.relname, pg_get_indexdef(index.oid) FROM pg_index JOIN pg_class AS index ON index.oid = indexrelid
WHERE indrelid = %s::regclass AND NOT indisprimary
"""
_PARTITIONS = """
SELECT child.relname, pg_get_expr(child.relpartbound, child.oid) FROM pg_inherits
JOIN pg_class AS child ON child.oid = inhrelid WHERE inhparent = %s::regclass
"""
# Whoever waits for a table to themselves keeps all others waiting, so not for long; the next round tries again.
_LIMITS = "SET LOCAL lock_timeout = '3s'; SET LOCAL statement_timeout = '10min'; SET LOCAL timezone = 'UTC'"


@dataclass(frozen=True)
class Partition:
    """A part of `table` by the name of `name`: its rows have stamps from `since` on and before `until`."""

    table: str
    name: str
    since: datetime
    until: datetime


def partitions(connection: psycopg.Connection, table: str) -> tuple[Partition, ...]:
    """Return the partitions of `table`, oldest first, but for its rest."""
    with connection.transaction():
        connection.execute(_LIMITS)
        bounds = connection.execute(_PARTITIONS, (table,)).fetchall()
    found = (_partition(table, name, bound) for name, text in bounds if (bound := _BOUND.search(text)))
    return tuple(sorted(found, key=lambda one: one.until))


def divide(connection: psycopg.Connection) -> None:
    """Divide the tables that are not yet, within the caller's transaction: what is in them becomes one partition.

    No row is copied. Until the end of the day on which that is done, rows go where they went before; then, as long as
    nobody makes days ahead, to the rest.
    """
    connection.execute("SET LOCAL timezone = 'UTC'")
    if tables := [table for (table,) in connection.execute(_UNDIVIDED, (list(DIVIDED),)).fetchall()]:
        connection.execute("SELECT FROM ingestion FOR UPDATE")  # whoever adds rows waits here, with no table in hand
        names = sql.SQL(", ").join(map(sql.Identifier, tables))
        connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(names))
    for table in tables:
        _divide(connection, table, _midnight(_newest(connection)) + _DAY)


def make_ahead(connection: psycopg.Connection, ahead: int = AHEAD) -> None:
    """Make today and `ahead` days to come, and of what lies in a table's rest a partition; each table in a transaction.

    Raises:
        psycopg.errors.InsufficientPrivilege: The role does not own the tables.
    """
    today = _midnight(_newest(connection))
    for table in DIVIDED:
        with connection.transaction():
            connection.execute(_LIMITS)
            _settle(connection, table)
            known = partitions(connection, table)
            for day in (today + number * _DAY for number in range(ahead + 1)):
                if not any(one.since < day + _DAY and day < one.until for one in known):
                    _make(connection, table, day)


def drop_before(connection: psycopg.Connection, moment: datetime) -> Iterator[Partition]:
    """Drop each partition whose rows are all from before `moment`, in a transaction of its own, and yield it then."""
    for table in DIVIDED:
        for one in partitions(connection, table):
            if one.until <= moment:
                with connection.transaction():
                    connection.execute(_LIMITS)
                    connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(one.name)))
                yield one


def _newest(connection: psycopg.Connection) -> datetime:
    """Return the earliest stamp that the next row can have; stamps do not go back where clocks do."""
    query = "SELECT greatest(stamp, clock_timestamp()) FROM ingestion"
    [(moment,)] = connection.execute(query).fetchall()
    return moment.astimezone(UTC)  # type: ignore[no-any-return]  # psycopg types rows by their shape alone


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _partition(table: str, name: str, bound: re.Match[str]) -> Partition:
    since, until = bound.groups()
    return Partition(table, name, datetime.fromisoformat(since) if since else _FIRST, datetime.fromisoformat(until))


def _divide(connection: psycopg.Connection, table: str, until: datetime) -> None:
    stamp, key = DIVIDED[table]
    whole, suffix = sql.Identifier(table), f"_until_{until:%Y%m%d}"
    before = sql.Identifier(table + suffix)
    [(comment,)] = connection.execute("SELECT obj_description(%s::regclass)", (table,)).fetchall()
    indexes = connection.execute(_INDEXES, (table,)).fetchall()
    for name, _ in indexes:
        rename = sql.SQL("ALTER INDEX {} RENAME TO {}")
        connection.execute(rename.format(sql.Identifier(name), sql.Identifier(name + suffix)))
    known_by = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}")
    connection.execute(known_by.format(whole, sql.Identifier(f"{table}_pkey")))
    connection.execute(sql.SQL("ALTER TABLE {} RENAME TO {}").format(whole, before))
    like = sql.SQL(
        "CREATE TABLE {} (LIKE {} INCLUDING ALL EXCLUDING INDEXES, PRIMARY KEY ({})) PARTITION BY RANGE ({})"
    )
    connection.execute(like.format(whole, before, sql.SQL(f"{key}, {stamp}"), sql.SQL(stamp)))
    for _, definition in indexes:
        connection.execute(definition)
    if comment is not None:
        connection.execute(sql.SQL("COMMENT ON TABLE {} IS {}").format(whole, sql.Literal(comment)))
    attach = sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM (MINVALUE) TO ({})")
    connection.execute(attach.format(whole, before, sql.Literal(until)))
    _make_rest(connection, table)


def _settle(connection: psycopg.Connection, table: str) -> None:
    """Make a partition of what lies in the rest, and a new rest."""
    stamp = sql.SQL(DIVIDED[table][0])
    whole, rest = sql.Identifier(table), sql.Identifier(f"{table}_rest")
    if connection.execute(sql.SQL("SELECT FROM {} LIMIT 1").format(rest)).fetchone() is None:
        return
    connection.execute(sql.SQL("ALTER TABLE {} DETACH PARTITION {}").format(whole, rest))
    bounds = sql.SQL("SELECT min({}), max({}) FROM {}").format(stamp, stamp, rest)
    [(first, last)] = connection.execute(bounds).fetchall()
    since, until = _midnight(first), _midnight(last) + _DAY
    name = sql.Identifier(f"{table}_{since:%Y%m%d}_{until:%Y%m%d}")
    connection.execute(sql.SQL("ALTER TABLE {} RENAME TO {}").format(rest, name))
    attach = sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})")
    connection.execute(attach.format(whole, name, sql.Literal(since), sql.Literal(until)))
    _make_rest(connection, table)


def _make(connection: psycopg.Connection, table: str, day: datetime) -> None:
    make = sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES FROM ({}) TO ({})")
    name = sql.Identifier(f"{table}_{day:%Y%m%d}")
    connection.execute(make.format(name, sql.Identifier(table), sql.Literal(day), sql.Literal(day + _DAY)))


def _make_rest(connection: psycopg.Connection, table: str) -> None:
    make = sql.SQL("CREATE TABLE {} PARTITION OF {} DEFAULT")
    connection.execute(make.format(sql.Identifier(f"{table}_rest"), sql.Identifier(table)))
