"""The tables of predictions and outcomes, and connections to them.

Rows are never changed. Whoever adds rows first takes the one row of `ingestion`, and with it a stamp later than
every stamp before; the row is free again only when the rows that carry the stamp can be seen. Stamps therefore
become visible in their own order: who sees one sees all rows with an earlier one, and no such row comes later.
That makes windows over stamps exact, whichever process adds predictions or outcomes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import LiteralString

import psycopg

from firstflight.domain.errors import StoreRefusedError, StoreUnavailableError
from firstflight.domain.sqlstates import NOT_MADE, is_away
from firstflight.observation import days
from firstflight.observation.records import BLOCK_SECONDS

_CONNECT_SECONDS = 5
RIGHTS: dict[str, LiteralString] = {
    **dict.fromkeys(("prediction", "outcome", "unit_outcome", "scored", "loss"), "SELECT, INSERT"),
    "telling": "SELECT, INSERT, UPDATE",
    "ingestion": "SELECT, UPDATE",
    "collector": "SELECT, INSERT, UPDATE",
}
"""What a role that adds and reads rows needs, by table."""
_SCHEMA_LOCK = 0x4646_5052  # any number that nothing else in the database locks
_LIMITS = (
    "SELECT set_config('statement_timeout', '30s', false), set_config('lock_timeout', '10s', false),"
    " set_config('idle_in_transaction_session_timeout', '10s', false), set_config('timezone', 'UTC', false)"
)
# By a scan, not to_regclass: that may answer from a cache which does not know what another session has just made.
_COLUMNS = (
    "SELECT unnest(ARRAY[relname || '.' || attname, CASE relkind WHEN 'p' THEN relname || ' by day' END])"
    " FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid"
    " WHERE relname IN ('scored', 'prediction', 'loss', 'unit_outcome')"
    " AND relnamespace = current_schema()::regnamespace"
)
_SCHEMA = """
CREATE TABLE ingestion (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    stamp  timestamptz NOT NULL
) WITH (fillfactor = 10);
INSERT INTO ingestion (stamp) VALUES (clock_timestamp());

CREATE TABLE prediction (
    rid         text NOT NULL,
    client_rid  text,
    listener    text NOT NULL CHECK (listener IN ('main', 'mirror')),
    route       text NOT NULL,
    unit        text,
    assigned    text,
    served      text,
    arm         text,
    prediction  jsonb,
    code        integer NOT NULL,
    failed      boolean NOT NULL,
    refused     boolean NOT NULL DEFAULT false,
    us          bigint,
    at          timestamptz NOT NULL,
    ingested_at timestamptz NOT NULL,
    PRIMARY KEY (rid, listener)
);
COMMENT ON COLUMN prediction.rid IS 'what the request is counted as: the gateway''s own name for it';
COMMENT ON COLUMN prediction.client_rid IS 'what the client called it, and truths are told by; null: the same';
COMMENT ON COLUMN prediction.arm IS
    'served model the request counts for: assigned on main, served on mirror, null where the client chose';
CREATE INDEX prediction_by_window ON prediction (route, ingested_at) INCLUDE (arm, listener, failed, refused, us);
CREATE INDEX prediction_by_client_rid ON prediction (coalesce(client_rid, rid));
CREATE INDEX prediction_by_time ON prediction (route, at);
CREATE INDEX prediction_by_unit ON prediction (route, unit, ingested_at);

CREATE TABLE outcome (
    rid         text PRIMARY KEY,
    unit        text NOT NULL,
    block       text NOT NULL,
    truth       jsonb NOT NULL,
    payoff      double precision,
    observed_at timestamptz NOT NULL,
    ingested_at timestamptz NOT NULL
);

CREATE TABLE scored (
    route       text NOT NULL,
    served      text NOT NULL,
    unit        text NOT NULL,
    block       text NOT NULL,
    prediction  jsonb NOT NULL,
    truth       jsonb NOT NULL,
    payoff      double precision,
    answered_at timestamptz,
    scored_at   timestamptz NOT NULL,
    PRIMARY KEY (route, served, unit)
);
COMMENT ON TABLE scored IS 'first answer of each served model about each unit whose truth is known';
COMMENT ON COLUMN scored.answered_at IS 'ingested_at of the answer; null in rows older than this column';
CREATE INDEX scored_by_window ON scored (route, served, scored_at);
CREATE INDEX scored_by_block ON scored (route, served, block);

CREATE TABLE collector (
    source      text PRIMARY KEY,
    file        text NOT NULL,
    byte_offset bigint NOT NULL,
    skipped     bigint NOT NULL,
    began       timestamptz NOT NULL,
    complete    timestamptz NOT NULL
) WITH (fillfactor = 10);
"""
_NEWEST = "unit_outcome by day"
_HAS_TRUTHS = "unit_outcome.route"
_LOSSES = """
CREATE TABLE loss (
    source      text NOT NULL,
    stamp       timestamptz NOT NULL
);
COMMENT ON TABLE loss IS 'when a collector found the file gone that it was reading: what was asked until then may miss';
"""
_FOR_STAGES_AND_UNITS = """
SET LOCAL statement_timeout = '10min';
ALTER TABLE scored ADD COLUMN answered_at timestamptz;
CREATE INDEX scored_by_block ON scored (route, served, block);
CREATE INDEX prediction_by_unit ON prediction (route, unit, ingested_at);
"""
_FOR_NAMES_OF_OUR_OWN = """
SET LOCAL statement_timeout = '10min';
ALTER TABLE prediction ADD COLUMN client_rid text, ADD COLUMN refused boolean NOT NULL DEFAULT false;
CREATE INDEX prediction_by_client_rid ON prediction (coalesce(client_rid, rid));
DROP INDEX prediction_by_window;
CREATE INDEX prediction_by_window ON prediction (route, ingested_at) INCLUDE (arm, listener, failed, refused, us);
"""
_FOR_ANY_ANSWER = """
SET LOCAL statement_timeout = '10min';
ALTER TABLE scored DROP COLUMN accuracy, DROP COLUMN brier, DROP COLUMN profit,
    ALTER COLUMN prediction TYPE jsonb USING to_jsonb(prediction),
    ALTER COLUMN truth TYPE jsonb USING to_jsonb(truth), ALTER COLUMN payoff DROP NOT NULL;
ALTER TABLE outcome ALTER COLUMN truth TYPE jsonb USING to_jsonb(truth), ALTER COLUMN payoff DROP NOT NULL;
ALTER TABLE prediction ALTER COLUMN prediction TYPE jsonb USING to_jsonb(prediction);
"""
_TRUTHS = """
SET LOCAL statement_timeout = '10min';
ALTER TABLE outcome ALTER COLUMN unit DROP NOT NULL, ALTER COLUMN block DROP NOT NULL;
CREATE TABLE unit_outcome (
    route       text NOT NULL,
    unit        text NOT NULL,
    block       text,
    truth       jsonb NOT NULL,
    payoff      double precision,
    observed_at timestamptz NOT NULL,
    ingested_at timestamptz NOT NULL,
    PRIMARY KEY (route, unit)
);
COMMENT ON TABLE unit_outcome IS 'truths told by what was asked about: they hold for every request about it';
CREATE INDEX prediction_by_asked ON prediction (route, split_part(unit, '~', 1));
CREATE TABLE telling (
    result text PRIMARY KEY,
    count  bigint NOT NULL
);
COMMENT ON TABLE telling IS 'what became of the truths that were told, each time they were';
"""
# Here alone truths are taken, from Python, HTTP and psql alike. What a part of a statement inserts the other parts do
# not see, so `outcome`, `unit_outcome` and `scored` are here as they were before.
_TELL = """
CREATE OR REPLACE FUNCTION tell_outcomes(rows jsonb) RETURNS TABLE (place integer, result text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    this timestamptz;
BEGIN
    UPDATE ingestion SET stamp = greatest(clock_timestamp(), stamp + interval '1 microsecond')
        RETURNING stamp INTO this;
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT read.*,
            CASE WHEN read.rid IS NULL THEN 'u' || read.route || '/' || read.unit ELSE 'r' || read.rid END AS key,
            coalesce(o.truth, u.truth) AS first_truth, coalesce(o.payoff, u.payoff) AS first_payoff
        FROM (
            SELECT (number - 1)::integer AS place, told ->> 'request' AS rid,
                CASE WHEN told ->> 'request' IS NULL THEN told ->> 'model' END AS route, told ->> 'unit' AS unit,
                told ->> 'block' AS block, nullif(told -> 'truth', 'null') AS truth,
                (told ->> 'payoff')::double precision AS payoff, coalesce((told ->> 'time')::timestamptz, this) AS at
            FROM jsonb_array_elements(rows) WITH ORDINALITY AS every (told, number)
        ) AS read
        LEFT JOIN outcome o ON o.rid = read.rid
        LEFT JOIN unit_outcome u ON (u.route, u.unit) = (read.route, read.unit)
    ), by_request AS (
        INSERT INTO outcome (rid, unit, block, truth, payoff, observed_at, ingested_at)
        SELECT DISTINCT ON (rid) rid, unit, block, truth, payoff, at, this FROM asked
        WHERE route IS NULL AND first_truth IS NULL
        ORDER BY rid, place
        ON CONFLICT DO NOTHING RETURNING rid, unit, block, truth, payoff
    ), by_unit AS (
        INSERT INTO unit_outcome (route, unit, block, truth, payoff, observed_at, ingested_at)
        SELECT DISTINCT ON (route, unit) route, unit, block, truth, payoff, at, this FROM asked
        WHERE route IS NOT NULL AND first_truth IS NULL
        ORDER BY route, unit, place
        ON CONFLICT DO NOTHING RETURNING route, unit, block, truth, payoff
    ), answered AS MATERIALIZED (
        SELECT 'r' || o.rid AS key, p.route, coalesce(o.unit, split_part(p.unit, '~', 1), o.rid) AS unit, o.block,
            o.truth, o.payoff, p.served, p.arm, p.prediction, p.ingested_at, p.at, p.rid
        FROM by_request o JOIN prediction p ON coalesce(p.client_rid, p.rid) = o.rid
        UNION ALL
        SELECT 'u' || o.route || '/' || o.unit, p.route, o.unit, o.block, o.truth, o.payoff, p.served, p.arm,
            p.prediction, p.ingested_at, p.at, p.rid
        FROM by_unit o JOIN prediction p ON p.route = o.route AND split_part(p.unit, '~', 1) = o.unit
    ), judged AS (
        INSERT INTO scored (route, served, unit, block, prediction, truth, payoff, answered_at, scored_at)
        SELECT DISTINCT ON (route, served, unit)
            route, served, unit, coalesce(block, unit), prediction, truth, payoff, ingested_at, this
        FROM answered a WHERE served IS NOT NULL AND prediction IS NOT NULL AND arm IS NOT NULL
            AND NOT EXISTS (SELECT FROM scored s WHERE (s.route, s.served, s.unit) = (a.route, a.served, a.unit))
        ORDER BY route, served, unit, at, rid
        ON CONFLICT DO NOTHING RETURNING route, served, unit, block
    ), late AS MATERIALIZED (
        SELECT a.key FROM answered a JOIN judged USING (route, served, unit)
        WHERE EXISTS (SELECT FROM scored s WHERE (s.route, s.served, s.block) = (a.route, a.served, judged.block)
            AND s.scored_at < this - interval 'BLOCK seconds')
    ), known AS (
        SELECT asked.place, CASE
            WHEN first_truth IS NOT NULL THEN (asked.truth, asked.payoff) IS DISTINCT FROM (first_truth, first_payoff)
            WHEN first_value(asked.place) OVER same < asked.place THEN
                (asked.truth, asked.payoff)
                IS DISTINCT FROM (first_value(asked.truth) OVER same, first_value(asked.payoff) OVER same)
            END AS contradicts,
            asked.key IN (SELECT key FROM answered) AS is_answered, asked.key IN (SELECT key FROM late) AS is_late
        FROM asked
        WINDOW same AS (PARTITION BY asked.key ORDER BY asked.place)
    ), found AS MATERIALIZED (
        SELECT place, CASE WHEN contradicts THEN 'contradicting' WHEN NOT contradicts THEN 'repeated'
            WHEN is_late THEN 'late' WHEN is_answered THEN 'new' ELSE 'waiting' END AS result
        FROM known
    ), counted AS (
        INSERT INTO telling SELECT result, count(*) FROM found GROUP BY result
        ON CONFLICT (result) DO UPDATE SET count = telling.count + excluded.count
    )
    SELECT place, result FROM found ORDER BY place;
END
$$;
COMMENT ON FUNCTION tell_outcomes IS
    'take [{"request": …} or {"model": …, "unit": …}, each with "truth" and if known "payoff", "block", "time"]';
""".replace("BLOCK seconds", f"{BLOCK_SECONDS} seconds")
_FOR_PROBABILITIES = "scored.brier"
"""What the tables have no more since any answer is kept."""


class Database:
    """The PostgreSQL database at `url`, which may hold a password and is never shown."""

    def __init__(self, url: str) -> None:
        """Keep the address; tables are made at the first connection."""
        self._url = url
        self._has_schema = False

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """Open a connection that commits each statement, or each `transaction()` block, by itself.

        Raises:
            StoreUnavailableError: The database did not answer. What was being written may have been written:
                every write may be repeated.
            StoreRefusedError: It answered, and does not take what it was asked.
        """
        try:
            with psycopg.connect(self._url, connect_timeout=_CONNECT_SECONDS, autocommit=True) as connection:
                connection.execute(_LIMITS)
                if not self._has_schema:
                    make_tables(connection)
                    self._has_schema = True
                yield connection
        except psycopg.Error as error:
            self._has_schema = False  # what comes back may be another database
            sentence = " ".join(str(error).split()) or type(error).__name__
            if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) or is_away(error.sqlstate):
                raise StoreUnavailableError(f"the prediction store did not answer: {sentence}") from error
            raise StoreRefusedError(f"the prediction store refused: {sentence}") from error


def next_stamp(connection: psycopg.Connection) -> datetime:
    """Take the right to add rows until the transaction ends, and return the stamp they carry."""
    query = "UPDATE ingestion SET stamp = greatest(clock_timestamp(), stamp + interval '1 microsecond') RETURNING stamp"
    [(stamp,)] = connection.execute(query).fetchall()
    return stamp  # type: ignore[no-any-return]  # psycopg types rows by their shape alone


def make_tables(connection: psycopg.Connection) -> None:
    """Make what is missing, all of it or nothing, one caller at a time.

    Raises:
        StoreUnavailableError: Somebody else has to, and has not yet.
    """
    columns = _columns(connection)
    if _NEWEST in columns and _FOR_PROBABILITIES not in columns:
        return
    try:
        with connection.transaction():
            _make_missing(connection)
    except psycopg.errors.InsufficientPrivilege as error:
        raise StoreUnavailableError(NOT_MADE) from error


def _make_missing(connection: psycopg.Connection) -> None:
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_SCHEMA_LOCK,))
    columns = _columns(connection)
    if not columns:
        connection.execute(_SCHEMA + _LOSSES + _TRUTHS)
        columns = _columns(connection)
    if "scored.answered_at" not in columns:
        connection.execute(_FOR_STAGES_AND_UNITS)
    if "prediction.client_rid" not in columns:
        connection.execute(_FOR_NAMES_OF_OUR_OWN)
    if "loss.stamp" not in columns:
        connection.execute(_LOSSES)
    if _FOR_PROBABILITIES in columns:
        connection.execute(_FOR_ANY_ANSWER)
    if _HAS_TRUTHS not in columns:
        connection.execute(_TRUTHS)
    connection.execute("SET LOCAL statement_timeout = '10min'")
    days.divide(connection)
    connection.execute(_TELL)


def _columns(connection: psycopg.Connection) -> frozenset[str]:
    """Return the columns of the tables that have changed since they were first made, none when there are none."""
    return frozenset(name for (name,) in connection.execute(_COLUMNS).fetchall())
