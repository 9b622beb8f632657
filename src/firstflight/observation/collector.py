"""Tail a log of requests into the prediction store: `python -m firstflight.observation.collector`.

On one machine that is the gateway's access log. In a cluster each model server writes what it answered, and a
collector beside it reads that: `settings.answers_file`.
"""

import logging
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

from firstflight.domain.errors import StoreRefusedError, StoreUnavailableError
from firstflight.observation.access_log import parse
from firstflight.observation.log_file import Chunk, Position, read
from firstflight.observation.store import GATEWAY, Collection, PredictionStore
from firstflight.settings import Settings
from firstflight.supervision.logs import begin_log

log = logging.getLogger(__name__)

TICK_SECONDS = 0.2
_OUTAGE_SECONDS = 1.0


def collect(path: Path, store: PredictionStore, source: str = GATEWAY, tend: Callable[[], None] = lambda: None) -> None:
    """Store what the log at `path` says, for ever; move the watermark on even when it says nothing.

    `tend` is called all the time, database or not: it keeps the log within bounds.

    How far the log was read is kept with the rows, in one transaction: this process may be killed at any
    moment, and the database restarted, without a row lost or doubled. While another process collects
    `source`, this one waits for its place.
    """
    told = False
    while True:
        try:
            with store.collecting(source) as collection:
                if collection is not None:
                    log.info("collecting %s", path)
                    _follow(path, collection, tend)
                elif not told:
                    told = True
                    log.warning(
                        "another process collects as %r, so what %s says is not stored and counts for nobody until it"
                        " ends; collectors of several servers need host names of their own",
                        source,
                        path,
                    )
        except (StoreUnavailableError, StoreRefusedError) as error:
            log.warning("%s; trying again in %g s", error, _OUTAGE_SECONDS)
        tend()
        time.sleep(_OUTAGE_SECONDS)


def advance(path: Path, collection: Collection, position: Position) -> Chunk:
    """Store the lines at `position`, if there are any, and return them with the position behind them."""
    chunk = read(path, position)
    parsed = parse(chunk.lines)
    if parsed.skipped:
        log.warning("%s: %d lines could not be read", path, parsed.skipped)
    collection.add(parsed.predictions, chunk.position, parsed.skipped, lost=chunk.lost)
    return chunk


def _follow(path: Path, collection: Collection, tend: Callable[[], None]) -> None:
    position = collection.position()
    while True:
        tend()
        chunk = advance(path, collection, position)
        position = chunk.position
        if not chunk.full:
            time.sleep(TICK_SECONDS)


def main(tend: Callable[[], None] = lambda: None) -> None:
    """Collect for the stack of the environment's settings until told to end; `tend` as in `collect`."""
    begin_log(logging.INFO)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit())
    settings = Settings()
    store = PredictionStore(settings.database("firstflight"))
    if settings.answers_file is not None:
        collect(settings.answers_file, store, source=socket.gethostname())
    else:
        collect(settings.home / "gateway" / "access.jsonl", store, tend=tend)


if __name__ == "__main__":
    main()
