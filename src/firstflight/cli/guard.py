"""Watch every rollout from outside, and bring home what nobody looks after."""

import json
import logging
import math
import signal
import sys
import threading
from collections.abc import Callable, Mapping

import typer

from firstflight.acts.close_runs import close_runs
from firstflight.domain.errors import FirstflightError
from firstflight.guard.figures import GuardFigures, told
from firstflight.guard.guard import Guard
from firstflight.guard.heartbeat import beat
from firstflight.guard.runs import Polled
from firstflight.guard.sealing import Sealing
from firstflight.guard.stable_watch import StableWatch
from firstflight.ledger import open_tree
from firstflight.ledger.keys import signer
from firstflight.orchestrator import Orchestrator
from firstflight.settings import Settings
from firstflight.supervision.logs import begin_log
from firstflight.world import open_world

log = logging.getLogger(__name__)


def guard(*, seconds: float | None, as_json: bool) -> None:
    """Go rounds until `seconds` are over; exit code 4 when something was brought home."""
    signal.signal(signal.SIGTERM, _leave)
    settings = Settings()
    begin_log(logging.WARNING)
    logging.getLogger("firstflight").setLevel(logging.INFO)  # its own checks and notices; others are only noise
    prefect = Orchestrator(settings.prefect_api, settings.prefect_auth)

    def emit(event: str, payload: Mapping[str, str]) -> None:
        try:
            prefect.emit(event, payload["model"], payload)
        except FirstflightError as error:
            log.warning("Prefect was not told: %s", error)

    def announce(event: str, payload: Mapping[str, str]) -> None:
        threading.Thread(target=emit, args=(event, payload), daemon=True).start()  # no round waits for Prefect

    busy = threading.Lock()

    def aside(duty: Callable[[], None]) -> None:
        def done() -> None:
            if busy.acquire(blocking=False):  # what hangs is not begun a second time
                try:
                    duty()
                finally:
                    busy.release()

        threading.Thread(target=done, name="aside", daemon=True).start()

    world = open_world(settings)
    runs = Polled(prefect.runs, prefect.answers, lambda: close_runs(world.ledger, prefect))
    runs.start()
    threading.Thread(target=StableWatch(world).rounds, daemon=True).start()
    sealing = Sealing(open_tree(settings), lambda: signer(settings), settings.ledger_anchors)
    threading.Thread(target=sealing.rounds, daemon=True).start()
    watching = Guard(world, runs=runs, announce=announce, aside=aside)
    figures = GuardFigures(watching.clock)

    def went(took: float) -> None:
        beat(settings.home)
        figures.went(took)

    watching.went = went
    something = False
    with told(figures, settings.metrics_host, settings.ports.guard):
        for home in watching.rounds(settings.guard_seconds, math.inf if seconds is None else seconds):
            something = True
            figures.brought_home()
            said = f"{home.route}: brought home by the {home.proof.way}: {home.reason}"
            typer.echo(json.dumps(home.model_dump(mode="json")) if as_json else said)
    raise typer.Exit(4 if something else 0)


def _leave(*_: object) -> None:
    """End at once, since rounds may be cut off anywhere; a container's first process is not ended without a word."""
    raise SystemExit(0)


if __name__ == "__main__":  # how stacks and clusters start it
    from firstflight.cli.main import main

    main(["guard", *sys.argv[1:]])
