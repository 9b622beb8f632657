"""Ask a model the held-out questions, as live traffic."""

import asyncio
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.live import Live

from firstflight.cli.telling import terminal
from firstflight.domain.errors import NotFoundError
from firstflight.observation.store import PredictionStore
from firstflight.replay.progress import line
from firstflight.replay.run import Load, OnProgress, run
from firstflight.replay.tally import ReplaySummary
from firstflight.settings import Settings
from firstflight.workloads.find import find

_LOG_SECONDS = 10.0
SOME_FAILED = 4


def replay(
    model: str,
    rate: float,
    seconds: float | None,
    requests: int | None,
    seed: int,
    outcome_delay: float,
    data: str | None,
    workload: str,
    *,
    as_json: bool,
) -> None:
    """Ask, with a line of progress, and end with a summary."""
    settings = Settings()
    questions = tuple(find(workload).questions(settings, data))
    load = Load(route=model, rate=rate, seconds=seconds, requests=requests, seed=seed)

    async def ask(on_progress: OnProgress) -> ReplaySummary:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        return await run(
            settings.gateway_url,
            load,
            questions,
            stop=stop,
            sink=PredictionStore(settings.database("firstflight")),
            outcome_delay=outcome_delay,
            on_progress=on_progress,
        )

    with _progress(terminal(stderr=True)) as on_progress:
        summary = asyncio.run(ask(on_progress))
    typer.echo(summary.model_dump_json() if as_json else line(summary))
    if summary.requests and summary.statuses == {"404": summary.requests}:
        raise NotFoundError(
            f"the gateway at {settings.gateway_url} has no route {model!r}: it said 404 to every request"
        )
    if summary.failed:
        raise typer.Exit(SOME_FAILED if summary.ok else 1)


@contextmanager
def _progress(console: Console) -> Iterator[OnProgress]:
    """Show one line that changes in place on a terminal, a line every few seconds elsewhere."""
    if console.is_terminal:
        with Live(console=console, transient=True, refresh_per_second=4) as live:
            yield lambda summary: live.update(line(summary))
        return
    shown = time.monotonic()

    def log(summary: ReplaySummary) -> None:
        nonlocal shown
        if time.monotonic() - shown >= _LOG_SECONDS:
            shown = time.monotonic()
            console.print(line(summary), highlight=False, soft_wrap=True)

    yield log
