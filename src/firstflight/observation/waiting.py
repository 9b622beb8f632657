"""How long truths take, and how many predictions wait for theirs."""

from datetime import UTC, datetime, timedelta

from firstflight.domain.values import Value
from firstflight.observation.database import Database

# Of those who answered clients: a shadow's answers have the same truths.
_WAITING = """
SELECT route, count(*), count(*) FILTER (WHERE waits), min(at) FILTER (WHERE waits)
FROM (
    SELECT route, at, NOT EXISTS (SELECT FROM outcome o WHERE o.rid = coalesce(p.client_rid, p.rid))
        AND NOT EXISTS (
            SELECT FROM unit_outcome o WHERE o.route = p.route AND o.unit = split_part(p.unit, '~', 1)) AS waits
    FROM prediction p
    WHERE at >= %(since)s AND listener = 'main' AND arm IS NOT NULL AND prediction IS NOT NULL
) AS answered
GROUP BY route ORDER BY route
"""
_DELAYS = """
SELECT route, percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (
    ORDER BY extract(epoch FROM greatest(scored_at - answered_at, interval '0')))
FROM scored WHERE scored_at >= %(since)s AND answered_at IS NOT NULL GROUP BY route
"""


class Waiting(Value):
    """The answers of one route: how many there are, how many have no truth, and since when the oldest of those waits.

    `delay_p50` and `delay_p95` are seconds from when an answer was recorded until it and its truth were known; None
    when no truth came.
    """

    route: str
    answers: int
    waiting: int
    oldest_waiting: datetime | None
    delay_p50: float | None
    delay_p95: float | None


class Labels(Value):
    """How truths stood at a moment: the answers of the last `days`, and what became of all truths ever told."""

    days: float
    models: tuple[Waiting, ...]
    told: dict[str, int]


def labels(url: str, days: float) -> Labels:
    """Return how truths stand in the store at `url`; raises StoreUnavailableError when it does not answer."""
    asked = {"since": datetime.now(UTC) - timedelta(days=days)}
    with Database(url).connection() as connection:
        delays = dict(connection.execute(_DELAYS, asked).fetchall())
        models = tuple(
            Waiting(
                route=route,
                answers=answers,
                waiting=waiting,
                oldest_waiting=oldest,
                delay_p50=delays[route][0] if route in delays else None,
                delay_p95=delays[route][1] if route in delays else None,
            )
            for route, answers, waiting, oldest in connection.execute(_WAITING, asked)
        )
        told = dict(connection.execute("SELECT result, count FROM telling ORDER BY result").fetchall())
    return Labels(days=days, models=models, told=told)
