"""What became of the runs that drive: asked in a thread of its own, for the guard waits for no orchestrator."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Protocol
from uuid import UUID

from firstflight.domain.errors import FirstflightError
from firstflight.domain.values import Value
from firstflight.orchestrator import FlowRun

log = logging.getLogger(__name__)
EVERY_SECONDS, IDLE_SECONDS = 1.0, 5.0
"""While somebody drives, and while nobody does."""


class Over(Value):
    """Why a run drives no more; `asked` when a person cancelled it."""

    why: str
    asked: bool


class Runs(Protocol):
    """What the guard is told of the runs that drive."""

    def follow(self, drivers: Collection[str]) -> None:
        """Say whose runs are of interest from now on."""

    def over(self, driver: str) -> Over | None:
        """Return how the driver's run ended; None while it may act, and for who is no run."""

    def answers(self, driver: str) -> Mapping[str, str]:
        """Return what people have answered a run that is to go on and has no process yet: name of a question → JSON."""

    def pause(self, seconds: float) -> None:
        """Return after so many seconds, or as soon as a run is found to be over, or answered."""


class Polled:
    """Asks again and again in a thread, about nothing while nobody drives."""

    def __init__(
        self,
        states: Callable[[Collection[str]], Collection[FlowRun]],
        answers: Callable[[UUID], Mapping[str, str]],
        tidy: Callable[[], object],
    ) -> None:
        """`states` returns runs as they are, `answers` what one was told; `tidy` is called in between.

        Each may raise a FirstflightError.
        """
        self._states, self._told, self._tidy = states, answers, tidy
        self._drivers: frozenset[str] = frozenset()
        self._over: dict[str, Over] = {}
        self._answers: dict[str, Mapping[str, str]] = {}
        self._news = threading.Event()

    def start(self) -> None:
        """Begin to ask."""
        threading.Thread(target=self._go_on, name="runs", daemon=True).start()

    def follow(self, drivers: Collection[str]) -> None:
        """Keep to those that are runs: a person and a drill's process drive too."""
        self._drivers = frozenset(driver for driver in drivers if _is_run(driver))

    def over(self, driver: str) -> Over | None:
        """Return what was last heard."""
        return self._over.get(driver)

    def answers(self, driver: str) -> Mapping[str, str]:
        """Return what was last heard."""
        return self._answers.get(driver, {})

    def pause(self, seconds: float) -> None:
        """Wait for news."""
        self._news.wait(seconds)
        self._news.clear()

    def ask(self) -> None:
        """Ask once."""
        drivers = self._drivers
        found = self._states(drivers) if drivers else ()
        over = {str(run.id): _over(run) for run in found if run.final or run.cancelled}
        answers = {str(run.id): self._told(run.id) for run in found if run.begins}
        if over.keys() - self._over.keys() or any(told != self.answers(run) for run, told in answers.items()):
            self._news.set()
        self._over, self._answers = over, answers
        self._tidy()

    def _go_on(self) -> None:
        silent = False
        while True:
            try:
                self.ask()
            except (FirstflightError, OSError) as error:
                if not silent:
                    log.warning("nothing is known of the runs that drive, leases tell: %s", error)
                silent = True
            else:
                silent = False
            time.sleep(EVERY_SECONDS if self._drivers else IDLE_SECONDS)


class Unheard:
    """No orchestrator: leases alone tell of drivers."""

    def __init__(self, wait: Callable[[float], None]) -> None:
        self.pause = wait

    def follow(self, _drivers: Collection[str]) -> None:
        """Ask nobody."""

    def over(self, _driver: str) -> None:
        """Know nothing."""

    def answers(self, _driver: str) -> Mapping[str, str]:
        """Know nothing."""
        return {}


def _over(run: FlowRun) -> Over:
    return Over(why=f"flow run {run.name} is {run.state_name}: {run.message or 'no message'}", asked=run.cancelled)


def _is_run(driver: str) -> bool:
    try:
        UUID(driver)
    except ValueError:
        return False
    return True
