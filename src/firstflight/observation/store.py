"""Where predictions and outcomes are kept and joined. Every write may be repeated and counts once."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import LiteralString

import psycopg

from firstflight.domain.questions import Question
from firstflight.observation.database import Database, next_stamp
from firstflight.observation.log_file import Position
from firstflight.observation.records import Outcome, Prediction

BATCH = 1000
GATEWAY = "gateway"
"""The one log where a gateway writes it; where model servers do, each has a collector of its own."""
_COLLECTOR_LOCK = 0x4646_434F

_ADD_PREDICTIONS = """
WITH fresh AS (
    INSERT INTO prediction
        (rid, client_rid, listener, route, unit, assigned, served, prediction, code, us, at, failed, refused, arm,
        ingested_at)
    SELECT *, %(stamp)s FROM unnest(
        %(counted_as)s::text[], %(rid)s::text[], %(listener)s::text[], %(route)s::text[], %(unit)s::text[],
        %(assigned)s::text[], %(served)s::text[], %(prediction)s::text[]::jsonb[], %(code)s::int[], %(us)s::bigint[],
        %(at)s::timestamptz[], %(failed)s::boolean[], %(refused)s::boolean[], %(arm)s::text[])
    ON CONFLICT DO NOTHING
    RETURNING rid, client_rid, route, served, prediction, arm, at, ingested_at
), judged AS (
    INSERT INTO scored (route, served, unit, block, prediction, truth, payoff, answered_at, scored_at)
    SELECT DISTINCT ON (p.route, p.served, o.unit)
        p.route, p.served, o.unit, o.block, p.prediction, o.truth, o.payoff, p.ingested_at, %(stamp)s
    FROM fresh p JOIN outcome o ON o.rid = p.client_rid
    WHERE p.served IS NOT NULL AND p.prediction IS NOT NULL AND p.arm IS NOT NULL
    ORDER BY p.route, p.served, o.unit, p.at, p.rid
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM fresh
"""

_ADD_OUTCOMES = """
WITH fresh AS (
    INSERT INTO outcome (rid, unit, block, truth, payoff, observed_at, ingested_at)
    SELECT *, %(stamp)s FROM unnest(
        %(rid)s::text[], %(unit)s::text[], %(block)s::text[], %(truth)s::text[]::jsonb[], %(payoff)s::float8[],
        %(observed_at)s::timestamptz[])
    ON CONFLICT DO NOTHING
    RETURNING rid, unit, block, truth, payoff
), judged AS (
    INSERT INTO scored (route, served, unit, block, prediction, truth, payoff, answered_at, scored_at)
    SELECT DISTINCT ON (p.route, p.served, o.unit)
        p.route, p.served, o.unit, o.block, p.prediction, o.truth, o.payoff, p.ingested_at, %(stamp)s
    FROM fresh o JOIN prediction p ON coalesce(p.client_rid, p.rid) = o.rid
    WHERE p.served IS NOT NULL AND p.prediction IS NOT NULL AND p.arm IS NOT NULL
    ORDER BY p.route, p.served, o.unit, p.at, p.rid
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM fresh
"""

_UNANSWERED = """
SELECT asked.rid, min(asked.unit)
FROM (SELECT coalesce(client_rid, rid) AS rid, split_part(unit, '~', 1) AS unit FROM prediction
      WHERE route = %(route)s) AS asked
WHERE asked.unit = ANY(%(units)s::text[]) AND asked.rid > %(after)s
  AND NOT EXISTS (SELECT FROM outcome o WHERE o.rid = asked.rid)
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
                _add(self._connection, _ADD_PREDICTIONS, predictions, _PREDICTION_FIELDS, stamp)
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
        """Store truths by request id and return how many were new; the first truth about a request stays."""
        new = 0
        with self._database.connection() as connection:
            for begin in range(0, len(outcomes), BATCH):
                with connection.transaction():
                    stamp = next_stamp(connection)
                    new += _add(connection, _ADD_OUTCOMES, outcomes[begin : begin + BATCH], _OUTCOME_FIELDS, stamp)
        return new

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
_OUTCOME_FIELDS = ("rid", "unit", "block", "truth", "payoff", "observed_at")
_JSON = {"prediction", "truth"}


def _add(
    connection: psycopg.Connection,
    query: LiteralString,
    rows: Sequence[Prediction] | Sequence[Outcome],
    fields: tuple[str, ...],
    stamp: datetime,
) -> int:
    columns = {field: [getattr(row, field) for row in rows] for field in fields}
    for field in _JSON & columns.keys():
        columns[field] = [None if value is None else json.dumps(value, allow_nan=False) for value in columns[field]]
    [(count,)] = connection.execute(query, {**columns, "stamp": stamp}).fetchall()
    return int(count)
