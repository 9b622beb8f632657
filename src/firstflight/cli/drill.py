"""Break a staged rollout on purpose, and see it come home."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from firstflight.cli.telling import plain, show_table, terminal
from firstflight.drill.faults import FaultName, alone
from firstflight.drill.result import HEADERS, LEGEND, Drill, headline, row
from firstflight.drill.run import Show
from firstflight.drill.run import drill as run
from firstflight.settings import Settings


def drill(fault: list[str] | None, model: str, workload: str, *, as_json: bool) -> None:
    """Run the drill and show its table; exit code 1 when a promise was broken."""
    settings = Settings()
    console = terminal(stderr=as_json)
    with _progress(console) as show:
        done = run(settings, model, _names(fault), workload, actor="terminal", show=show)
    if as_json:
        typer.echo(done.model_dump_json())
    else:
        show_table(console, table(done))
        for result in done.results:
            for sentence in result.broken:
                console.print(f"[red]{result.fault.name}: {plain(sentence)}[/red]", highlight=False)
        console.print(f"report {settings.home / 'reports' / done.id}.md", highlight=False, soft_wrap=True)
    raise typer.Exit(0 if done.kept else 1)


def table(done: Drill) -> Table:
    """Return the drill as a table for a terminal."""
    shown = Table(title=headline(done), caption=f"{LEGEND}.", caption_justify="left", box=None, padding=(0, 1, 0, 0))
    for header in HEADERS:
        words = header in {"fault", "kept", "by"}
        shown.add_column(header, justify="left" if words else "right", no_wrap=header != "by")
    for result in done.results:
        shown.add_row(*row(result), style=None if result.kept else "bold red")
    return shown


def _names(given: list[str] | None) -> tuple[FaultName, ...]:
    """Return the faults that are asked for, each once, in the order of a drill."""
    known: tuple[FaultName, ...] = get_args(FaultName)
    if strangers := set(given or ()) - {*known, "all"}:
        raise typer.BadParameter(f"no such fault: {', '.join(sorted(strangers))}; there are {', '.join(known)}, all")
    if not given:
        return alone()
    return tuple(name for name in known if {name, "all"} & set(given))


@contextmanager
def _progress(console: Console) -> Iterator[Show]:
    """Show a line with a spinner and a clock for each fault, plain lines without a terminal."""
    if not console.is_terminal:
        began = time.monotonic()
        yield lambda name, doing: console.print(
            f"{time.monotonic() - began:5.1f} s  {name}: {doing}", highlight=False, soft_wrap=True
        )
        return
    columns = (SpinnerColumn(finished_text="·"), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        lines = {}

        def show(name: str, doing: str) -> None:
            if name not in lines:
                lines[name] = bar.add_task("", total=1)
            ended = doing in {"kept", "not kept", "done"}
            colour = {"kept": "green", "not kept": "bold red"}.get(doing, "default")
            bar.update(lines[name], description=f"{name:9} [{colour}]{doing}[/{colour}]", completed=int(ended))

        yield show
