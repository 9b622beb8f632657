"""What one served model was given on a route, by the time each request began."""

from dataclasses import dataclass
from datetime import datetime

from firstflight.observation.database import Database

_STAY = """
SELECT min(at) FILTER (WHERE arm = %(name)s), max(at) FILTER (WHERE arm = %(name)s),
    count(*) FILTER (WHERE arm = %(name)s), count(*) FILTER (WHERE arm = %(name)s AND failed),
    count(*) FILTER (WHERE arm = %(name)s AND at > %(home)s), count(*) FILTER (WHERE at > %(home)s)
FROM prediction WHERE route = %(route)s AND listener = 'main' AND at >= %(since)s
"""


@dataclass(frozen=True)
class Stay:
    """Requests meant for one model: the first and the last (None: none came), how many, how many it failed.

    `late` of them began after the moment that was asked about, and `after` is how many anybody on the route was given
    from then on: without any, `late` says nothing.
    """

    first: datetime | None
    last: datetime | None
    requests: int
    failed: int
    late: int
    after: int


def stay(url: str, route: str, name: str, since: datetime, home: datetime) -> Stay:
    """Return what `name` was given on `route` from `since` on; `late` counts from `home`.

    Raises:
        StoreUnavailableError: The database at `url` did not answer.
    """
    with Database(url).connection() as connection:
        asked = {"route": route, "name": name, "since": since, "home": home}
        [row] = connection.execute(_STAY, asked).fetchall()
    return Stay(*row)
