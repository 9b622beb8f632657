"""Keep what is recorded of requests for as many days as the settings say, and have the days to come ready."""

import logging
import time
from datetime import timedelta

from firstflight.acts.ledger_view import current, models
from firstflight.domain.errors import LedgerError, StoreRefusedError, StoreUnavailableError
from firstflight.ledger.sql import SqlRecordStore
from firstflight.observation import days
from firstflight.observation.database import Database
from firstflight.settings import Settings

log = logging.getLogger(__name__)

_EVERY_SECONDS = 3600.0


def retain(settings: Settings) -> tuple[str, ...]:
    """Make the days to come, drop those that nobody needs any more, and return the names of what was dropped.

    Days are counted back from now, or from when the oldest rollout that is open began: all that it is judged by, and
    what was known when it began, stays. The ledger is not touched.

    Raises:
        StoreUnavailableError: The database did not answer, or somebody held a table; the next call does what is left.
        StoreRefusedError: The URL is not that of the tables' owner.
        LedgerError: Some model's records cannot be read, so nobody knows what is open: nothing was dropped.
    """
    owner = settings.database("firstflight", owner=True)
    with Database(owner).connection() as connection:
        days.make_ahead(connection)
        ledger = SqlRecordStore(owner)
        last = [rollout for model in models(ledger) if (rollout := current(ledger, model)) is not None]
        since = min([ledger.now(), *(rollout.started_at for rollout in last if not rollout.final)])
        dropped = []
        for one in days.drop_before(connection, since - timedelta(days=settings.retention_days)):
            log.info("dropped %s: its rows were from before %s", one.name, one.until)
            dropped.append(one.name)
    return tuple(dropped)


def keep(settings: Settings) -> None:
    """Retain each hour, for ever; what fails is told and tried again."""
    while True:
        try:
            retain(settings)
        except (StoreUnavailableError, StoreRefusedError, LedgerError) as error:
            log.warning("days are neither made nor dropped: %s; trying again in an hour", error)
        time.sleep(_EVERY_SECONDS)
