"""The exporter: `python -m firstflight.telemetry.exporter` tells Prometheus what lives in the database and the router.

Each scrape asks the sources anew. One that is away takes its metrics with it, and no others.
"""

import logging
import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from firstflight.domain.errors import FirstflightError
from firstflight.observation.scored import ScoredAnswers
from firstflight.observation.store_source import StoreSource
from firstflight.settings import Settings
from firstflight.supervision.logs import begin_log
from firstflight.telemetry.families import family
from firstflight.telemetry.rollouts import Rollouts
from firstflight.telemetry.serve import served
from firstflight.telemetry.truths import Waiting, Worths, complete
from firstflight.world import World, open_world

log = logging.getLogger(__name__)

Source = tuple[str, Callable[[], Iterable[Metric]]]


class Exporter(Collector):
    """Tells Prometheus what each source says, one scrape at a time."""

    def __init__(self, sources: Iterable[Source]) -> None:
        """Ask `sources`, in their order."""
        self._sources = tuple(sources)
        self._lock = threading.Lock()
        self._away: set[str] = set()

    def describe(self) -> Iterator[Metric]:
        """Yield nothing: what is registered is not asked for that."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """Yield everything that can be known now, and which sources that is of."""
        with self._lock:
            up = family("firstflight_source_up")
            for name, ask in self._sources:
                told = self._told(name, ask)
                up.add((name,), told is not None)
                yield from told or ()
            yield up

    def _told(self, name: str, ask: Callable[[], Iterable[Metric]]) -> list[Metric] | None:
        """Return what a source says, None while it is away; the log says so once, and not at each scrape."""
        try:
            told = list(ask())
        except (FirstflightError, OSError) as error:
            if name not in self._away:
                log.warning("%s tells nothing: %s", name, error)
        except Exception:  # a workload's own code may raise anything, and hides no other source
            if name not in self._away:
                log.exception("%s tells nothing", name)
        else:
            self._away.discard(name)
            return told
        self._away.add(name)
        return None


def sources(world: World, url: str, home: Path) -> Iterator[Source]:
    """Yield every source: `url` is the prediction store's, `home` the folder whose disk may fill up."""
    rollouts = Rollouts(world)

    def of_the_ledger() -> Iterable[Metric]:
        rollouts.read()
        return rollouts.told()

    worths, waiting, store = Worths(ScoredAnswers(url)), Waiting(url), StoreSource(url)
    yield "ledger", of_the_ledger
    yield "router", rollouts.routed
    yield "predictions", lambda: complete(store)
    yield "outcomes", lambda: worths.told(rollouts.last)
    yield "truths", waiting.told
    yield "disk", lambda: _disk(home)


def _disk(home: Path) -> Iterator[Metric]:
    """Yield the room on the disk of `home`; raises OSError."""
    usage = shutil.disk_usage(home)
    for name, value in (("firstflight_disk_free_bytes", usage.free), ("firstflight_disk_size_bytes", usage.total)):
        found = family(name)
        found.add((), value)
        yield found


def main() -> None:
    """Serve until told to end."""
    begin_log(logging.WARNING)
    settings = Settings()
    registry = CollectorRegistry()
    registry.register(Exporter(sources(open_world(settings), settings.database("firstflight"), settings.home)))
    try:
        with served(registry, settings.metrics_host, settings.ports.exporter):
            threading.Event().wait()
    except (OSError, ValueError) as error:
        log.error("port %d of %s cannot be listened on: %s", settings.ports.exporter, settings.metrics_host, error)
        sys.exit(1)


if __name__ == "__main__":
    main()
