"""Watch every rollout from outside, and bring home what nobody looks after."""

import json
import logging
import math
import signal
from collections.abc import Mapping
from typing import Annotated

import typer
from rich.logging import RichHandler

from firstflight.domain.errors import FirstflightError
from firstflight.guard.guard import Guard
from firstflight.guard.heartbeat import beat
from firstflight.orchestrator import Orchestrator
from firstflight.settings import Settings
from firstflight.world import open_world

log = logging.getLogger(__name__)


def guard(
    *,
    seconds: Annotated[
        float, typer.Option(help="Watch for so long and end; a driver's silence takes 30 s to notice.")
    ] = math.inf,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each model brought home.")] = False,
) -> None:
    """Watch all rollouts and bring home those whose driver is gone or whose candidate fails. Never promotes.

    Part of the local stack; a second one does no harm. Needs neither Prefect, MLflow, Slack nor the database to
    send traffic back to the stable model. Exit code 4 when it ended and had brought something home.
    """
    signal.signal(signal.SIGTERM, _leave)
    settings = Settings()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", handlers=[RichHandler(show_path=False)])
    prefect = Orchestrator(settings.prefect_api, settings.prefect_auth)

    def announce(event: str, payload: Mapping[str, str]) -> None:
        try:
            prefect.emit(event, payload["model"], payload)
        except FirstflightError as error:
            log.warning("Prefect was not told: %s", error)

    watching = Guard(
        open_world(settings),
        link=Orchestrator(settings.prefect_page).run_page,
        announce=announce,
        went=lambda: beat(settings.home),
    )
    something = False
    for home in watching.rounds(settings.guard_seconds, seconds):
        something = True
        said = f"{home.route}: home by the {home.proof.way}: {home.reason}"
        typer.echo(json.dumps(home.model_dump(mode="json")) if as_json else said)
    raise typer.Exit(4 if something else 0)


def _leave(*_: object) -> None:
    """End at once, since rounds may be cut off anywhere; a container's first process is not ended without a word."""
    raise SystemExit(0)


if __name__ == "__main__":  # the stack's guard: it loads none of the other commands
    typer.run(guard)
