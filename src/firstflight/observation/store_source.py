"""What was observed, answered from the prediction store."""

import json
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, LiteralString, Self

import psycopg

from firstflight.domain.latency import EDGES, histogram
from firstflight.domain.metrics import UNSCORED, Judged, Scoring
from firstflight.domain.samples import Counts, Moments, NoData, Sample, Window
from firstflight.observation import absence
from firstflight.observation.absence import REFUSED
from firstflight.observation.blocks import of_blocks, of_pairs
from firstflight.observation.database import Database
from firstflight.observation.records import BLOCK_SECONDS

SILENT = timedelta(seconds=60)
"""A collector this far behind the others is passed over: its server may be gone. What it still brings counts later."""

_WATERMARK = """
WITH newest AS (SELECT max(complete) AS complete FROM collector)
SELECT (SELECT min(began) FROM collector), min(collector.complete)
FROM collector, newest WHERE collector.complete > newest.complete - %(silent)s
"""

_REQUESTS = """
SELECT count(*), count(*) FILTER (WHERE failed), count(*) FILTER (WHERE refused), count(us), avg(us) / 1e3,
    var_pop(us) * count(us) / 1e6
FROM (
    SELECT failed, refused, CASE WHEN NOT refused THEN us::float8 END AS us
    FROM prediction WHERE route = %(route)s AND arm = %(name)s
        AND ingested_at > %(since)s AND ingested_at <= %(until)s
) AS asked
"""

_LATENCY = """
SELECT width_bucket(us - 1, %(edges)s::bigint[]), count(*)
FROM prediction WHERE route = %(route)s AND arm = %(name)s AND us IS NOT NULL AND NOT refused
    AND ingested_at > %(since)s AND ingested_at <= %(until)s
GROUP BY 1
"""

# One JSON text of all rows: read one by one they take four times as long.
# Blocks by an array, not a join: on a table that grows all the time the planner guesses, and a bad join takes seconds
_BLOCKS = """
WITH known AS (
    SELECT block, prediction, truth, payoff, scored_at, coalesce(answered_at, scored_at) AS answered_at,
        min(scored_at) OVER (PARTITION BY block) + %(open)s AS closes
    FROM scored WHERE route = %(route)s AND served = %(name)s AND scored_at <= %(until)s
        AND block = ANY (ARRAY(SELECT DISTINCT block FROM scored WHERE route = %(route)s AND served = %(name)s
            AND scored_at > %(opened_since)s AND scored_at <= %(until)s))
)
SELECT json_agg(json_build_array(block, prediction, truth, payoff))::text FROM known
WHERE closes > %(since)s AND closes <= %(until)s AND scored_at <= closes
    AND answered_at > %(answered_since)s AND answered_at <= %(answered_until)s
"""

# A pair needs both arms, so a block of pairs opens when the later of both is first known: units come again, and the
# stable model may have answered them long ago, which is no less true.
_PAIRS = """
WITH known AS MATERIALIZED (
    SELECT block, unit, served, prediction, truth, payoff, scored_at, coalesce(answered_at, scored_at) AS answered_at,
        greatest(
            min(scored_at) FILTER (WHERE served = %(control)s) OVER of_block,
            min(scored_at) FILTER (WHERE served = %(name)s) OVER of_block
        ) + %(open)s AS closes
    FROM scored WHERE route = %(route)s AND served IN (%(control)s, %(name)s) AND scored_at <= %(until)s
        AND block = ANY (ARRAY(
            SELECT DISTINCT block FROM scored WHERE route = %(route)s AND served IN (%(control)s, %(name)s)
                AND scored_at > %(opened_since)s AND scored_at <= %(until)s))
    WINDOW of_block AS (PARTITION BY block)
), answered AS (
    SELECT *, count(*) OVER (PARTITION BY block, unit) = 2 AS common FROM known
    WHERE closes > %(since)s AND closes <= %(until)s AND scored_at <= closes
        AND (served = %(control)s OR answered_at > %(answered_since)s AND answered_at <= %(answered_until)s)
), chosen AS (
    SELECT *, bool_or(common) OVER (PARTITION BY block) AS any_common FROM answered
)
SELECT json_agg(json_build_array(block, (served = %(name)s)::int, prediction, truth, payoff))::text
FROM chosen WHERE common = any_common
"""

_ASSIGNMENTS = """
SELECT arm, count(*) FROM prediction
WHERE route = %(route)s AND listener = 'main' AND arm IS NOT NULL
    AND ingested_at > %(since)s AND ingested_at <= %(until)s
GROUP BY arm ORDER BY arm
"""

_NEW_UNITS = """
SELECT arm, count(DISTINCT coalesce(unit, rid)) FROM prediction AS now
WHERE route = %(route)s AND listener = 'main' AND arm IS NOT NULL
    AND ingested_at > %(since)s AND ingested_at <= %(until)s
    AND (unit IS NULL OR NOT EXISTS (
        SELECT FROM prediction AS before WHERE before.route = now.route AND before.unit = now.unit
            AND before.ingested_at > %(begun)s AND before.ingested_at <= %(since)s))
GROUP BY arm ORDER BY arm
"""

_ON_ROUTE = """
SELECT count(arm), count(*) - count(arm) FROM prediction
WHERE route = %(route)s AND listener = 'main'
    AND ingested_at > %(since)s AND ingested_at <= %(until)s
"""

_ANSWERS = """
SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (
    SELECT FROM outcome o
    WHERE o.rid = coalesce(prediction.client_rid, prediction.rid) AND o.ingested_at <= %(until)s) AND NOT EXISTS (
    SELECT FROM unit_outcome o WHERE o.route = %(route)s AND o.unit = split_part(prediction.unit, '~', 1)
        AND o.ingested_at <= %(until)s)),
    EXISTS (SELECT FROM scored
        WHERE route = %(route)s AND served = %(name)s AND scored_at > %(since)s AND scored_at <= %(until)s)
FROM prediction WHERE route = %(route)s AND served = %(name)s AND prediction IS NOT NULL
    AND ingested_at > %(since)s AND ingested_at <= %(until)s
"""


class StoreSource:
    """MetricSource over the prediction store at `url`; `scoring` says what outcomes mean.

    Windows are over the stamps of ingestion, and exact. A block counts in the window in which it closes, BLOCK_SECONDS
    after the first truth about one of its units (of pairs: about one of either model); what becomes known later is left
    out of it.
    A window in which lines of the log were found missing says nothing, and nobody was assigned anything in it.
    Each call opens a connection of its own, so threads and a database that was restarted need no care.
    Every method raises StoreUnavailableError when the database does not answer.
    """

    def __init__(self, url: str, scoring: Scoring = UNSCORED) -> None:
        """Keep the address; the first call connects."""
        self._url = url
        self._scoring = scoring
        self._database = Database(url)

    def scored_by(self, scoring: Scoring) -> Self:
        """Return this source, with outcomes that mean what `scoring` says."""
        return type(self)(self._url, scoring)

    def watermark(self, route: str) -> Window | None:
        """Return the window over which records are complete, whatever the route; None before the collector ran."""
        del route  # a log holds every route
        with self._database.connection() as connection:
            [(began, complete)] = connection.execute(_WATERMARK, {"silent": SILENT}).fetchall()
        return Window(since=began, until=complete) if complete else None

    def samples(
        self, route: str, name: str, window: Window, *, answered_since: datetime | None = None
    ) -> Mapping[str, Sample]:
        """Return a sample, or NoData, of every known metric of `name` first seen in `window`."""
        asked = {"route": route, "name": name, **_bounds(window, answered_since)}
        with self._database.connection() as connection:
            if lost := _lost(connection, window):
                return {**dict.fromkeys(absence.REQUEST_METRICS, NoData(reason=lost)), **self._none(lost)}
            return {**_of_requests(connection, asked, window), **self._of_outcomes(connection, asked, window)}

    def outcomes(self, route: str, name: str, window: Window, *, answered_until: datetime) -> Mapping[str, Sample]:
        """Return a sample, or NoData, of every outcome metric of `name` first seen in `window`."""
        asked = {"route": route, "name": name, **_bounds(window, None, answered_until)}
        with self._database.connection() as connection:
            return self._of_outcomes(connection, asked, window)

    def paired(
        self,
        route: str,
        control: str,
        name: str,
        window: Window,
        *,
        answered_since: datetime | None = None,
        answered_until: datetime | None = None,
    ) -> Mapping[str, Sample]:
        """Return PairedMoments, or NoData, per outcome metric over blocks of which both models saw units."""
        asked = {"route": route, "control": control, "name": name, **_bounds(window, answered_since, answered_until)}
        blocks: dict[str, tuple[list[Judged], list[Judged]]] = defaultdict(lambda: ([], []))
        with self._database.connection() as connection:
            for block, side, prediction, truth, payoff in _rows(connection, _PAIRS, asked):
                blocks[block][side].append((prediction, truth, payoff))
        pairs = [both for both in blocks.values() if all(both)]
        if not pairs:
            return self._none(absence.of_pairs(control, name, window))
        return of_pairs(self._scoring, (control, name), pairs)

    def assignments(self, route: str, window: Window) -> Mapping[str, int]:
        """Return how many requests of `route` were assigned to each served model in `window`."""
        with self._database.connection() as connection:
            if _lost(connection, window):
                return {}
            return dict(connection.execute(_ASSIGNMENTS, {"route": route, **_bounds(window)}).fetchall())

    def units(self, route: str, window: Window, *, begun: datetime) -> Mapping[str, int]:
        """Return how many units were first routed to each served model in `window`, none of them since `begun`."""
        with self._database.connection() as connection:
            if _lost(connection, window):
                return {}
            asked = {"route": route, "begun": begun, **_bounds(window)}
            return dict(connection.execute(_NEW_UNITS, asked).fetchall())

    def _of_outcomes(self, connection: psycopg.Connection, asked: dict[str, Any], window: Window) -> dict[str, Sample]:
        blocks: dict[str, list[Judged]] = defaultdict(list)
        for block, prediction, truth, payoff in _rows(connection, _BLOCKS, asked):
            blocks[block].append((prediction, truth, payoff))
        if blocks:
            return of_blocks(self._scoring, asked["name"], blocks.values())
        [(answers, waiting, judged)] = connection.execute(_ANSWERS, asked).fetchall()
        return self._none(absence.of_outcomes(asked["name"], window, answers, waiting, judged=judged))

    def _none(self, reason: str) -> dict[str, Sample]:
        return {metric.name: NoData(reason=reason) for metric in self._scoring.metrics}


def _rows(connection: psycopg.Connection, query: LiteralString, asked: dict[str, Any]) -> list[list[Any]]:
    [(text,)] = connection.execute(query, asked).fetchall()
    return json.loads(text) if text else []


def _bounds(
    window: Window, answered_since: datetime | None = None, answered_until: datetime | None = None
) -> dict[str, Any]:
    open_for = timedelta(seconds=BLOCK_SECONDS)
    return {
        "since": window.since,
        "until": window.until,
        "open": open_for,
        "opened_since": window.since - open_for,
        "answered_since": answered_since or "-infinity",
        "answered_until": answered_until or "infinity",
    }


def _lost(connection: psycopg.Connection, window: Window) -> str:
    """Return that records of the window may be gone, empty when none are."""
    query = "SELECT min(stamp) FROM loss WHERE stamp > %(since)s AND stamp <= %(until)s"
    [(found,)] = connection.execute(query, _bounds(window)).fetchall()
    return absence.of_lost_lines(window, found) if found else ""


def _of_requests(connection: psycopg.Connection, asked: dict[str, Any], window: Window) -> dict[str, Sample]:
    [(count, failed, refused, timed, mean, m2)] = connection.execute(_REQUESTS, asked).fetchall()
    if count == 0:
        [(on_route, chosen)] = connection.execute(_ON_ROUTE, asked).fetchall()
        nothing = NoData(reason=absence.of_requests(asked["route"], asked["name"], window, on_route, chosen))
        return dict.fromkeys(absence.REQUEST_METRICS, nothing)
    known: dict[str, Sample] = {REFUSED: Counts(exposures=count, events=refused)}
    if count == refused:
        nothing = NoData(reason=absence.of_answers(asked["name"], window, refused))
        return {**dict.fromkeys(absence.REQUEST_METRICS, nothing), **known}
    known["error_rate"] = Counts(exposures=count - refused, events=failed)
    if timed == 0:
        untimed = NoData(reason=absence.of_latencies(asked["name"], window, count - refused))
        return {**known, "latency": untimed, "latency_mean": untimed}
    counts = [0] * (len(EDGES) + 1)
    edges = [round(edge * 1000) for edge in EDGES]
    for bucket, inside in connection.execute(_LATENCY, {**asked, "edges": edges}):
        counts[bucket] = inside
    return {
        **known,
        "latency": histogram(counts),
        "latency_mean": Moments(count=timed, mean=mean, m2=m2),
    }
