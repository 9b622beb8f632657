"""Answers whose truth became known, each once, as they come."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from firstflight.domain.metrics import JsonValue
from firstflight.observation.database import Database

MOST = 20_000
"""Rows taken at once of one model; what is left comes the next time."""
# Stamps become visible in their own order (`database`), so who goes on after the last one seen misses none.
_SCORED = """
SELECT scored_at, prediction, truth, payoff FROM scored
WHERE route = %(route)s AND served = %(name)s AND scored_at > %(after)s
ORDER BY scored_at FETCH FIRST %(most)s ROWS WITH TIES
"""


class Scored(NamedTuple):
    """One answer and what turned out to be true, known since `at`."""

    at: datetime
    prediction: JsonValue
    truth: JsonValue
    payoff: float | None


class ScoredAnswers:
    """What is known of answers in the store at `url`; raises StoreUnavailableError when it does not answer."""

    def __init__(self, url: str) -> None:
        """Keep the address; the first call connects."""
        self._database = Database(url)

    def now(self) -> datetime:
        """Return the last stamp: whatever becomes known later has a later one."""
        with self._database.connection() as connection:
            [(stamp,)] = connection.execute("SELECT stamp FROM ingestion").fetchall()
        return stamp  # type: ignore[no-any-return]  # psycopg types rows by their shape alone

    def after(self, route: str, name: str, at: datetime) -> Iterator[Scored]:
        """Yield what became known after `at` of the answers of the model served as `name`, in order."""
        asked = {"route": route, "name": name, "after": at, "most": MOST}
        with self._database.connection() as connection:
            yield from (Scored(*row) for row in connection.execute(_SCORED, asked).fetchall())
