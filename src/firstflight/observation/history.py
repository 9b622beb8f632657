"""What happened on a route over time, for people: by the time a request began, not by when it was recorded."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from firstflight.observation.database import Database

_TIMELINE = """
SELECT floor(extract(epoch FROM at - %(since)s) / %(seconds)s)::int, arm, listener = 'mirror', count(*),
    count(*) FILTER (WHERE failed), percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY us / 1e3)
FROM prediction WHERE route = %(route)s AND at >= %(since)s AND at < %(until)s AND arm IS NOT NULL
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""

_HARMED = """
SELECT count(*) FROM prediction
WHERE route = %(route)s AND arm = %(name)s AND at >= %(since)s AND at < %(until)s AND failed
"""

_SLOW = """
SELECT count(*) FROM prediction
WHERE route = %(route)s AND arm = %(name)s AND at >= %(since)s AND at < %(until)s
    AND NOT failed AND us > %(limit)s * 1000
"""


@dataclass(frozen=True)
class Activity:
    """What one served model did in one bin; a shadow's answers went to nobody.

    Latencies are in milliseconds, None when no client waited for the end of its request.
    """

    requests: int
    failed: int
    p50: float | None
    p95: float | None
    shadow: bool


@dataclass(frozen=True)
class Bin:
    """`seconds` from `at` on; a model that is not named had no request."""

    at: datetime
    seconds: float
    models: Mapping[str, Activity]


class History:
    """Questions about the past of a route; every method raises StoreUnavailableError when the store is away."""

    def __init__(self, url: str) -> None:
        """Keep the address of the store; the first call connects."""
        self._database = Database(url)

    def timeline(self, route: str, since: datetime, until: datetime, bin_seconds: float) -> tuple[Bin, ...]:
        """Return what each model did in each bin from `since` to `until`, the bins without a request included."""
        bins = math.ceil((until - since).total_seconds() / bin_seconds)
        asked = {"route": route, "since": since, "until": until, "seconds": bin_seconds}
        models: list[dict[str, Activity]] = [{} for _ in range(bins)]
        with self._database.connection() as connection:
            for number, arm, shadow, requests, failed, quantiles in connection.execute(_TIMELINE, asked):
                p50, p95 = quantiles or (None, None)
                models[number][arm] = Activity(requests, failed, p50, p95, shadow)
        step = timedelta(seconds=bin_seconds)
        return tuple(Bin(since + number * step, bin_seconds, found) for number, found in enumerate(models))

    def harmed(self, route: str, name: str, since: datetime, until: datetime) -> int:
        """Return how many requests `name` failed, those the gateway masked by asking another model included."""
        return self._count(_HARMED, {"route": route, "name": name, "since": since, "until": until})

    def slow(self, route: str, name: str, since: datetime, until: datetime, limit: float) -> int:
        """Return how many requests `name` did not fail, but took longer than `limit` milliseconds."""
        return self._count(_SLOW, {"route": route, "name": name, "since": since, "until": until, "limit": limit})

    def _count(self, query: str, asked: Mapping[str, object]) -> int:
        with self._database.connection() as connection:
            [(count,)] = connection.execute(query, asked).fetchall()
        return int(count)
