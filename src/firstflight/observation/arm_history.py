"""What one served model was given on a route, by the time each request began."""

from dataclasses import dataclass
from datetime import datetime

from firstflight.observation.database import Database

_STAY = """
SELECT min(at), max(at), count(*), count(*) FILTER (WHERE failed), count(*) FILTER (WHERE at > %(home)s)
FROM prediction WHERE route = %(route)s AND arm = %(name)s AND listener = 'main' AND at >= %(since)s
"""


@dataclass(frozen=True)
class Stay:
    """Requests meant for one model: the first and the last (None: none came), how many, how many it failed.

    `late` of them began after the moment that was asked about.
    """

    first: datetime | None
    last: datetime | None
    requests: int
    failed: int
    late: int


def stay(url: str, route: str, name: str, since: datetime, home: datetime) -> Stay:
    """Return what `name` was given on `route` from `since` on; `late` counts from `home`.

    Raises:
        StoreUnavailableError: The database at `url` did not answer.
    """
    with Database(url).connection() as connection:
        asked = {"route": route, "name": name, "since": since, "home": home}
        [row] = connection.execute(_STAY, asked).fetchall()
    return Stay(*row)
