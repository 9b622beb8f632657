"""What was observed, answered from the prediction store."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import psycopg

from firstflight.domain.latency import EDGES, histogram
from firstflight.domain.samples import Counts, Moments, NoData, PairedMoments, Sample, Window
from firstflight.observation import absence
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
SELECT count(*), count(*) FILTER (WHERE failed), count(us), avg(us::float8) / 1e3, var_pop(us::float8) * count(us) / 1e6
FROM prediction WHERE route = %(route)s AND arm = %(name)s
    AND ingested_at > %(since)s AND ingested_at <= %(until)s
"""

_LATENCY = """
SELECT width_bucket(us - 1, %(edges)s::bigint[]), count(*)
FROM prediction WHERE route = %(route)s AND arm = %(name)s AND us IS NOT NULL
    AND ingested_at > %(since)s AND ingested_at <= %(until)s
GROUP BY 1
"""

_UNITS = """
SELECT count(*), sum(accuracy), avg(brier), var_pop(brier) * count(*)
FROM scored WHERE route = %(route)s AND served = %(name)s AND scored_at > %(since)s AND scored_at <= %(until)s
"""

# Grouped, not joined with itself: on a table that grows all the time the planner guesses, and a bad join takes seconds
_PROFIT = """
WITH known AS (
    SELECT block, profit, scored_at, min(scored_at) OVER (PARTITION BY block) + %(open)s AS closes
    FROM scored WHERE route = %(route)s AND served = %(name)s AND scored_at <= %(until)s
), earned AS (
    SELECT avg(profit) AS profit FROM known
    WHERE closes > %(since)s AND closes <= %(until)s AND scored_at <= closes GROUP BY block
)
SELECT count(*), avg(profit), var_pop(profit) * count(*) FROM earned
"""

_PAIRS = """
WITH pair AS (
    SELECT min(block) AS block, max(scored_at) AS paired_at,
        max(accuracy) FILTER (WHERE served = %(control)s) AS accuracy_c,
        max(accuracy) FILTER (WHERE served = %(name)s) AS accuracy_t,
        max(brier) FILTER (WHERE served = %(control)s) AS brier_c,
        max(brier) FILTER (WHERE served = %(name)s) AS brier_t,
        max(profit) FILTER (WHERE served = %(control)s) AS profit_c,
        max(profit) FILTER (WHERE served = %(name)s) AS profit_t
    FROM scored WHERE route = %(route)s AND served IN (%(control)s, %(name)s) AND scored_at <= %(until)s
    GROUP BY unit HAVING count(*) = 2
), known AS MATERIALIZED (
    SELECT *, min(paired_at) OVER (PARTITION BY block) + %(open)s AS closes FROM pair
), closed AS (
    SELECT avg(accuracy_c) AS accuracy_c, avg(accuracy_t) AS accuracy_t, avg(brier_c) AS brier_c,
        avg(brier_t) AS brier_t, avg(profit_c) AS profit_c, avg(profit_t) AS profit_t
    FROM known WHERE closes > %(since)s AND closes <= %(until)s AND paired_at <= closes GROUP BY block
)
SELECT metric, count(*), avg(c), avg(t), var_pop(c) * count(*), var_pop(t) * count(*), covar_pop(c, t) * count(*)
FROM closed, LATERAL (
    VALUES ('accuracy', accuracy_c, accuracy_t), ('brier', brier_c, brier_t), ('profit', profit_c, profit_t)
) AS every (metric, c, t)
GROUP BY metric
"""

_ASSIGNMENTS = """
SELECT arm, count(*) FROM prediction
WHERE route = %(route)s AND listener = 'main' AND arm IS NOT NULL
    AND ingested_at > %(since)s AND ingested_at <= %(until)s
GROUP BY arm ORDER BY arm
"""

_ON_ROUTE = """
SELECT count(*) FROM prediction
WHERE route = %(route)s AND listener = 'main'
    AND ingested_at > %(since)s AND ingested_at <= %(until)s
"""

_ANSWERS = """
SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (
    SELECT FROM outcome o WHERE o.rid = prediction.rid AND o.ingested_at <= %(until)s))
FROM prediction WHERE route = %(route)s AND served = %(name)s AND prediction IS NOT NULL
    AND ingested_at > %(since)s AND ingested_at <= %(until)s
"""


class StoreSource:
    """MetricSource over the prediction store at `url`; windows are over the stamps of ingestion, and exact.

    A unit counts in the window in which the first answer about it and its truth were both known; a block
    (of units, or of pairs) in the window in which it closes, BLOCK_SECONDS after its first unit or pair.
    Each call opens a connection of its own, so threads and a database that was restarted need no care.
    Every method raises StoreUnavailableError when the database does not answer.
    """

    def __init__(self, url: str) -> None:
        """Keep the address; the first call connects."""
        self._database = Database(url)

    def watermark(self, route: str) -> Window | None:
        """Return the window over which records are complete, whatever the route; None before the collector ran."""
        del route  # a log holds every route
        with self._database.connection() as connection:
            [(began, complete)] = connection.execute(_WATERMARK, {"silent": SILENT}).fetchall()
        return Window(since=began, until=complete) if complete else None

    def samples(self, route: str, name: str, window: Window) -> Mapping[str, Sample]:
        """Return a sample, or NoData, of every known metric of `name` first seen in `window`."""
        asked = {"route": route, "name": name, **_bounds(window)}
        with self._database.connection() as connection:
            return {**_of_requests(connection, asked, window), **_of_outcomes(connection, asked, window)}

    def paired(self, route: str, control: str, name: str, window: Window) -> Mapping[str, Sample]:
        """Return PairedMoments, or NoData, per outcome metric over blocks of units both models answered."""
        asked = {"route": route, "control": control, "name": name, **_bounds(window)}
        with self._database.connection() as connection:
            found = {
                metric: PairedMoments(
                    count=count, control_mean=c, treatment_mean=t, control_m2=c_m2, treatment_m2=t_m2, cross=cross
                )
                for metric, count, c, t, c_m2, t_m2, cross in connection.execute(_PAIRS, asked)
            }
        nothing = NoData(reason=absence.of_pairs(control, name, window))
        return {metric: found.get(metric, nothing) for metric in absence.OUTCOME_METRICS}

    def assignments(self, route: str, window: Window) -> Mapping[str, int]:
        """Return how many requests of `route` were assigned to each served model in `window`."""
        with self._database.connection() as connection:
            return dict(connection.execute(_ASSIGNMENTS, {"route": route, **_bounds(window)}).fetchall())


def _bounds(window: Window) -> dict[str, Any]:
    return {"since": window.since, "until": window.until, "open": timedelta(seconds=BLOCK_SECONDS)}


def _of_requests(connection: psycopg.Connection, asked: dict[str, Any], window: Window) -> dict[str, Sample]:
    [(count, failed, timed, mean, m2)] = connection.execute(_REQUESTS, asked).fetchall()
    if count == 0:
        [(on_route,)] = connection.execute(_ON_ROUTE, asked).fetchall()
        nothing = NoData(reason=absence.of_requests(asked["route"], asked["name"], window, on_route))
        return dict.fromkeys(absence.REQUEST_METRICS, nothing)
    requests = Counts(exposures=count, events=failed)
    if timed == 0:
        untimed = NoData(reason=absence.of_latencies(asked["name"], window, count))
        return {"error_rate": requests, "latency": untimed, "latency_mean": untimed}
    counts = [0] * (len(EDGES) + 1)
    edges = [round(edge * 1000) for edge in EDGES]
    for bucket, inside in connection.execute(_LATENCY, {**asked, "edges": edges}):
        counts[bucket] = inside
    return {
        "error_rate": requests,
        "latency": histogram(counts),
        "latency_mean": Moments(count=timed, mean=mean, m2=m2),
    }


def _of_outcomes(connection: psycopg.Connection, asked: dict[str, Any], window: Window) -> dict[str, Sample]:
    [(count, correct, brier, brier_m2)] = connection.execute(_UNITS, asked).fetchall()
    [(blocks, profit, profit_m2)] = connection.execute(_PROFIT, asked).fetchall()

    def nothing() -> NoData:
        [(answers, waiting)] = connection.execute(_ANSWERS, asked).fetchall()
        return NoData(reason=absence.of_outcomes(asked["name"], window, answers, waiting))

    units: dict[str, Sample]
    if count == 0:
        units = dict.fromkeys(("accuracy", "brier"), nothing())
    else:
        units = {
            "accuracy": Counts(exposures=count, events=round(correct)),
            "brier": Moments(count=count, mean=brier, m2=brier_m2),
        }
    if blocks:
        return {**units, "profit": Moments(count=blocks, mean=profit, m2=profit_m2)}
    return {**units, "profit": NoData(reason=absence.of_blocks(window)) if count else units["brier"]}
