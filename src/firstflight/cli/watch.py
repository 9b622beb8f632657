"""Follow a run in the terminal: every record as a line, the latest check as the status."""

import time
from collections.abc import Callable

import httpx
import typer
from rich.console import Console
from rich.padding import Padding
from rich.status import Status

from firstflight.ledger import open_store
from firstflight.ledger.record import Record, RecordStore
from firstflight.orchestrator import FlowRun, Orchestrator
from firstflight.rollout.story import reasons, sentence
from firstflight.settings import Settings

POLL_SECONDS = 0.5
COLOURS = {
    "rollout.promoted": "bold green",
    "stage.passed": "green",
    "rollback.intended": "bold red",
    "rollout.rolled_back": "bold red",
    "approval.asked": "bold yellow",
    "approval.answered": "yellow",
}


def watch(run: str) -> None:
    """Follow `run` until it ends; exit code 1 when it did not complete."""
    settings = Settings()
    orchestrator = Orchestrator(settings.prefect_api, settings.prefect_auth)
    ended = follow(orchestrator, open_store(settings), run, Console(), settings.mlflow_uri)
    raise typer.Exit(0 if ended.state_type == "COMPLETED" else 1)


def follow(
    orchestrator: Orchestrator,
    ledger: RecordStore,
    run: str,
    console: Console,
    mlflow_uri: str,
    on_waiting: Callable[[FlowRun], None] | None = None,
) -> FlowRun:
    """Print what `run` does until it has ended, and return it.

    `on_waiting` is called once each time the run waits for a person; without it the wait is only shown.
    """
    seen = {name: ledger.head(name) for name in _streams(ledger)}
    asked = False
    with console.status(f"run {run}") as status:
        while True:
            found = orchestrator.run(run)
            for record in _news(ledger, seen):
                _show(record, console, status)
            if training := training_progress(mlflow_uri):
                status.update(training)
            if found.final:
                return found
            if found.suspended and not asked and on_waiting is not None:
                status.stop()
                on_waiting(found)
                status.start()
            asked = found.suspended
            time.sleep(POLL_SECONDS)


def training_progress(mlflow_uri: str) -> str:
    """Return one line about the variants being trained now, from MLflow; empty when there are none."""
    body = {"experiment_ids": ["1"], "filter": "attributes.status = 'RUNNING'", "max_results": 5}
    try:
        found = httpx.post(f"{mlflow_uri}/api/2.0/mlflow/runs/search", json=body, timeout=3.0).json().get("runs", [])
    except httpx.TransportError:
        return ""
    lines = []
    for one in found:
        latest = {metric["key"]: metric for metric in one["data"].get("metrics", [])}
        if "validation_loss" in latest:
            loss = latest["validation_loss"]
            lines.append(f"{one['info']['run_name']}: epoch {loss['step'] + 1}, validation loss {loss['value']:.4f}")
    return "training  " + "  ·  ".join(sorted(lines)) if lines else ""


def _streams(ledger: RecordStore) -> tuple[str, ...]:
    return (*ledger.streams("rollout/"), *ledger.streams("checks/"), *ledger.streams("release/"))


def _news(ledger: RecordStore, seen: dict[str, int]) -> list[Record]:
    news: list[Record] = []
    for name in _streams(ledger):
        records = ledger.read(name, after=seen.get(name, 0))
        if records:
            seen[name] = records[-1].number
            news.extend(records)
    return sorted(news, key=lambda record: record.at)


def _show(record: Record, console: Console, status: Status) -> None:
    if record.kind == "check":
        status.update(f"{sentence(record)}: {'; '.join(reasons(record))}"[: console.width - 4])
        return
    colour = COLOURS.get(record.kind, "default")
    console.print(f"[dim]{record.at:%H:%M:%S}[/dim] [{colour}]{sentence(record)}[/{colour}]", highlight=False)
    for reason in reasons(record):
        console.print(Padding(f"[dim]{reason}[/dim]", (0, 0, 0, 9)), highlight=False)
