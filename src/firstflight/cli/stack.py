"""Start, look at and stop the local stack from a terminal."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from firstflight.cli.telling import plain, say, show_table, terminal
from firstflight.settings import Settings
from firstflight.stack import local
from firstflight.stack.disk import disk
from firstflight.stack.local import PartStatus, Phase, ShowPhase

SOMETHING_DOWN = 3


def up(*, as_json: bool) -> None:
    """Start the stack and show its parts."""
    settings = Settings()
    _show(settings, bring_up(settings, terminal(stderr=as_json)), as_json=as_json)


def status(*, as_json: bool) -> None:
    """Show each part; exit code 3 when one is down."""
    settings = Settings()
    found = local.status(settings)
    _show(settings, found, as_json=as_json)
    raise typer.Exit(0 if all(part.up for part in found) else SOMETHING_DOWN)


def down() -> None:
    """Stop the stack, with a word about it."""
    console = terminal()
    with console.status("stopping the stack"):
        local.down(Settings())
    console.print("The stack is down; its data stays.")


def bring_up(settings: Settings, console: Console) -> tuple[PartStatus, ...]:
    """Bring the stack up and show how far each part is: a spinner and a clock, or plain lines without a terminal."""
    with _phases_shown(console) as show:
        return local.up(settings, show)


def _is_roots(pid: int) -> bool:
    try:
        return psutil.Process(pid).uids().effective == 0
    except psutil.NoSuchProcess:
        return False


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


def _show(settings: Settings, found: tuple[PartStatus, ...], *, as_json: bool) -> None:
    used, slots = local.slots(settings)
    room = disk(settings)
    if as_json:
        names = ("name", "up", "state", "pid", "address")
        parts = [{**{name: getattr(part, name) for name in names}, "log": str(part.log)} for part in found]
        everything_up = all(part.up for part in found)
        told = {"home": str(settings.home), "up": everything_up, "parts": parts}
        typer.echo(json.dumps({**told, "slots": {"used": used, "of": slots}, "disk": room.model_dump(mode="json")}))
        return
    console = terminal()
    table = Table("part", "state", "process", "address", box=None, pad_edge=False)
    for part in found:
        colour = "green" if part.up else "red"
        table.add_row(part.name, f"[{colour}]{part.state}[/{colour}]", str(part.pid or ""), part.address or "")
    show_table(console, table)
    for part in found:
        if not part.up and part.log.exists():
            say(console, f"[red]{part.name}[/red] is down; its log: {plain(str(part.log))}")
    full = "" if used < slots else "; [red]no room[/red]: `firstflight undeploy --old MODEL` makes some"
    say(console, f"model servers: {used} of {slots} places are taken{full}")
    say(console, f"disk: {room.sentence}")
    if os.getuid() == 0:
        theirs = ", ".join(part.name for part in found if part.pid and _is_roots(part.pid))
        say(
            console,
            f"[yellow]run by root[/yellow]{plain(f', as root: {theirs}') if theirs else ''}: what runs so may do "
            "everything here, a user of its own may not; docs/security.md says why which part is root's",
        )
    say(console, f"[dim]home: {plain(str(settings.home))}[/dim]")
