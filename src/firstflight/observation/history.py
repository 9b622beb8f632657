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
    """The past of a route; raises StoreUnavailableError when the store is away."""

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
