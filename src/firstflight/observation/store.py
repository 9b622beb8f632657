"""Where predictions and outcomes are kept and joined. Every write may be repeated and counts once."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal

import psycopg

from firstflight.domain.errors import InvalidDataError
from firstflight.domain.questions import Question
from firstflight.observation.database import Database, next_stamp
from firstflight.observation.log_file import Position
from firstflight.observation.records import Outcome, Prediction

BATCH = 1000
Result = Literal["new", "late", "waiting", "repeated", "contradicting"]
"""What became of a truth: it counts; it came when its block was closed, and is left out; no answer is known yet that it
is about; it was told before; it was told before as something else, and is refused."""
FRESH: tuple[Result, ...] = ("new", "late", "waiting")
GATEWAY = "gateway"
"""The one log where a gateway writes it; where model servers do, each has a collector of its own."""
_ROWS_FAULT = (psycopg.DataError, psycopg.IntegrityError)
"""What PostgreSQL says of values, by the classes 22 and 23 of SQLSTATE."""
_COLLECTOR_LOCK = 0x4646_434F

_ADD_PREDICTIONS = """
WITH fresh AS (
    INSERT INTO prediction
        (rid, client_rid, listener, route, unit, assigned, served, prediction, code, us, at, failed, refused, arm,
        ingested_at)
    SELECT *, %(stamp)s FROM unnest(
        %(counted_as)s::text[], %(rid)s::text[], %(listener)s::text[], %(route)s::text[], %(unit)s::text[],
        %(assigned)s::text[], %(served)s::text[], %(prediction)s::text[]::jsonb[], %(code)s::int[], %(us)s::bigint[],
        %(at)s::timestamptz[], %(failed)s::boolean[], %(refused)s::boolean[], %(arm)s::text[]) AS read (key, rid, heard)
    WHERE NOT EXISTS (SELECT FROM prediction p WHERE p.rid = key AND p.listener = heard)
    ON CONFLICT DO NOTHING
    RETURNING rid, client_rid, route, unit, served, prediction, arm, at, ingested_at
), told AS (
    SELECT p.*, coalesce(o.unit, split_part(p.unit, '~', 1), o.rid) AS about, o.block, o.truth, o.payoff, 1 AS told_by
    FROM fresh p JOIN outcome o ON o.rid = p.client_rid
    UNION ALL
    SELECT p.*, o.unit, o.block, o.truth, o.payoff, 2
    FROM fresh p JOIN unit_outcome o ON o.route = p.route AND o.unit = split_part(p.unit, '~', 1)
), judged AS (
    INSERT INTO scored (route, served, unit, block, prediction, truth, payoff, answered_at, scored_at)
    SELECT DISTINCT ON (route, served, about)
        route, served, about, coalesce(block, about), prediction, truth, payoff, ingested_at, %(stamp)s
    FROM told WHERE served IS NOT NULL AND prediction IS NOT NULL AND arm IS NOT NULL
        AND NOT EXISTS (SELECT FROM scored s WHERE (s.route, s.served, s.unit) = (told.route, told.served, told.about))
    ORDER BY route, served, about, at, rid, told_by
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM fresh
"""

_TELL = "SELECT result FROM tell_outcomes(%(rows)s::jsonb)"

_UNANSWERED = """
SELECT asked.rid, min(asked.unit)
FROM (SELECT coalesce(client_rid, rid) AS rid, split_part(unit, '~', 1) AS unit FROM prediction
      WHERE route = %(route)s) AS asked
WHERE asked.unit = ANY(%(units)s::text[]) AND asked.rid > %(after)s
  AND NOT EXISTS (SELECT FROM outcome o WHERE o.rid = asked.rid)
  AND NOT EXISTS (SELECT FROM unit_outcome o WHERE o.route = %(route)s AND o.unit = asked.unit)
GROUP BY asked.rid ORDER BY asked.rid LIMIT %(limit)s
"""

_MOVE = """
INSERT INTO collector (source, file, byte_offset, skipped, began, complete)
VALUES (%(source)s, %(file)s, %(offset)s, %(skipped)s, %(stamp)s, %(stamp)s)
ON CONFLICT (source) DO UPDATE SET file = excluded.file, byte_offset = excluded.byte_offset,
    skipped = collector.skipped + excluded.skipped, complete = excluded.complete
"""


class Collection:
    """The one connection by which the collector of `source` adds what it read, together with how far it read."""

    def __init__(self, connection: psycopg.Connection, source: str) -> None:
        self._connection = connection
        self._source = source

    def position(self) -> Position:
        """Return how far the log was read and stored."""
        query = "SELECT file, byte_offset FROM collector WHERE source = %s"
        found = self._connection.execute(query, (self._source,)).fetchone()
        return Position(*found) if found else Position()

    def add(
        self, predictions: Sequence[Prediction], position: Position, skipped: int = 0, *, lost: bool = False
    ) -> datetime:
        """Store predictions and position in one step, and return the new watermark: rows up to it are complete.

        With `lost` they are not: a window in which that was found says nothing of the requests.
        """
        with self._connection.transaction():
            stamp = next_stamp(self._connection)
            if predictions:
                _add(self._connection, predictions, stamp)
            move = {"source": self._source, "file": position.file, "offset": position.offset}
            self._connection.execute(_MOVE, {**move, "skipped": skipped, "stamp": stamp})
            if lost:
                self._connection.execute("INSERT INTO loss VALUES (%s, %s)", (self._source, stamp))
        return stamp


class PredictionStore:
    """Predictions and outcomes in the PostgreSQL database at `url`.

    Every method raises StoreUnavailableError when the database does not answer.
    """

    def __init__(self, url: str) -> None:
        """Keep the address; the first call connects."""
        self._database = Database(url)

    @contextmanager
    def collecting(self, source: str = GATEWAY) -> Iterator[Collection | None]:
        """Open the connection of the collector of `source`, one log; None while another process collects it."""
        query = "SELECT pg_try_advisory_lock(%s, hashtext(%s))"
        with self._database.connection() as connection:
            [(mine,)] = connection.execute(query, (_COLLECTOR_LOCK, source)).fetchall()
            yield Collection(connection, source) if mine else None

    def add_outcomes(self, outcomes: Sequence[Outcome]) -> int:
        """Store truths and return how many were new; the first truth about a request, or a unit, stays."""
        return sum(result in FRESH for result in self.tell(outcomes))

    def tell(self, outcomes: Sequence[Outcome]) -> list[Result]:
        """Store truths, BATCH of them at a time, and return what became of each; the first one told stays.

        Raises:
            InvalidDataError: The database does not take what a row holds; such rows are named, nothing of their batch
                was stored.
        """
        results: list[Result] = []
        with self._database.connection() as connection:
            for begin in range(0, len(outcomes), BATCH):
                batch = outcomes[begin : begin + BATCH]
                try:
                    results += _tell(connection, batch)
                except _ROWS_FAULT as error:
                    faults = _faults(connection, batch, begin) or (str(error),)
                    raise InvalidDataError("outcomes", faults) from error
        return results

    def add_truths(self, route: str, questions: Iterable[Question]) -> int:
        """Give each request to `route` that asked one of `questions` its truth, where it has none; return how many.

        Running it again adds what came since, and nothing twice.
        """
        truths = {question.unit: question for question in questions}
        new = 0
        after = ""
        while True:
            asked = {"route": route, "units": list(truths), "after": after, "limit": BATCH}
            with self._database.connection() as connection:
                rows: list[tuple[str, str]] = connection.execute(_UNANSWERED, asked).fetchall()
            if not rows:
                return new
            after = rows[-1][0]
            now = datetime.now(UTC)
            new += self.add_outcomes([Outcome.of(rid, truths[unit], now) for rid, unit in rows])


_PREDICTION_FIELDS = (
    *("counted_as", "rid", "listener", "route", "unit", "assigned", "served"),
    *("prediction", "code", "us", "at", "failed", "refused", "arm"),
)


def _tell(connection: psycopg.Connection, outcomes: Sequence[Outcome]) -> list[Result]:
    rows = json.dumps([outcome.row for outcome in outcomes], allow_nan=False)
    return [result for (result,) in connection.execute(_TELL, {"rows": rows})]


def _faults(connection: psycopg.Connection, outcomes: Sequence[Outcome], first: int) -> tuple[str, ...]:
    """Return why the database does not take which of `outcomes`, each tried by itself; nothing of it stays."""
    faults = []
    with connection.transaction(force_rollback=True):
        for number, outcome in enumerate(outcomes, start=first):
            try:
                with connection.transaction():
                    _tell(connection, [outcome])
            except _ROWS_FAULT as error:
                faults.append(f"row {number}: the database does not take it: {error.diag.message_primary}")
    return tuple(faults)


def _add(connection: psycopg.Connection, rows: Sequence[Prediction], stamp: datetime) -> None:
    columns = {field: [getattr(row, field) for row in rows] for field in _PREDICTION_FIELDS}
    columns["prediction"] = [None if row.prediction is None else json.dumps(row.prediction) for row in rows]
    connection.execute(_ADD_PREDICTIONS, {**columns, "stamp": stamp})
