"""Start, look at and stop the local stack from a terminal."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from firstflight.settings import Settings
from firstflight.stack import local
from firstflight.stack.local import PartStatus, Phase, ShowPhase

SOMETHING_DOWN = 3


def up() -> None:
    """Start the local stack, wait until every part answers, and deploy the project's flows.

    PostgreSQL, Prefect (server, page and a worker), MLflow, the Envoy gateway and the collector of predictions,
    all on loopback, kept alive by a supervisor that outlives this command. What runs already is left alone.

    State is kept in FIRSTFLIGHT_HOME (.firstflight here by default). A taken port is refused by name: set
    FIRSTFLIGHT_PORT_PREFECT, _MLFLOW, _GATEWAY, _GATEWAY_MIRROR, _GATEWAY_ADMIN or _SERVERS (48 ports from there on).
    FIRSTFLIGHT_DATABASE_URL=postgresql://… uses a server of your own.
    """
    Console().print(_table(bring_up(Settings())))


def status(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="For machines: one JSON object, no table.")] = False,
) -> None:
    """Show each part: whether it answers, its process, its address, its log.

    Exit code 0: every part is up; 3: at least one is down.
    """
    settings = Settings()
    found = local.status(settings)
    everything_up = all(part.up for part in found)
    if as_json:
        parts = [
            {
                "name": part.name,
                "up": part.up,
                "state": part.state,
                "pid": part.pid,
                "address": part.address,
                "log": str(part.log),
            }
            for part in found
        ]
        typer.echo(json.dumps({"home": str(settings.home), "up": everything_up, "parts": parts}))
    else:
        Console().print(_table(found))
    raise typer.Exit(0 if everything_up else SOMETHING_DOWN)


def down() -> None:
    """Stop every process of the local stack; nothing is lost.

    Models, predictions, runs and the ledger stay in FIRSTFLIGHT_HOME and are there again after the next `up`.
    Works too when the supervisor itself was killed: what it left behind is found and ended.
    """
    console = Console()
    with console.status("stopping the stack"):
        local.down(Settings())
    console.print("The stack is down; its data stays.")


def bring_up(settings: Settings) -> tuple[PartStatus, ...]:
    """Bring the stack up and show how far each part is: a spinner and a clock, or plain lines without a terminal."""
    with _phases_shown(Console()) as show:
        return local.up(settings, show)


@contextmanager
def _phases_shown(console: Console) -> Iterator[ShowPhase]:
    if not console.is_terminal:
        began = time.monotonic()
        yield lambda name, phase: console.print(f"{time.monotonic() - began:5.1f} s  {name} {phase}", highlight=False)
        return
    columns = (SpinnerColumn(finished_text="[green]✓[/green]"), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        lines = {}

        def show(name: str, phase: Phase) -> None:
            if phase == "waiting":
                lines[name] = bar.add_task(f"[dim]{name}[/dim]", start=False, total=1)
            elif phase == "starting":
                bar.update(lines[name], description=name)
                bar.start_task(lines[name])
            else:
                bar.update(lines[name], completed=1)

        yield show


def _table(found: tuple[PartStatus, ...]) -> Table:
    table = Table("part", "state", "process", "address", box=None, pad_edge=False)
    for part in found:
        state = f"[green]{part.state}[/green]" if part.up else f"[red]{part.state}[/red] (see {part.log})"
        table.add_row(part.name, state, str(part.pid or ""), part.address or "")
    return table
