"""Train variants from a terminal, without the orchestrator."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from firstflight.acts.register import register
from firstflight.cli.plan_files import plan_from
from firstflight.cli.telling import show_table, terminal
from firstflight.domain.plans import TrainingPlan
from firstflight.registry.mlflow_registry import MlflowRegistry
from firstflight.registry.mlflow_tracker import MlflowTracker
from firstflight.settings import Settings
from firstflight.workloads.find import find
from firstflight.workloads.provenance import git_commit
from firstflight.workloads.workload import TrainedModel, Training


class Bars:
    """One bar per variant that grows with its epochs; used as `with Bars(plan, console) as bars`."""

    def __init__(self, plan: TrainingPlan, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(),
            TextColumn("{task.fields[told]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._bars: dict[str, TaskID] = {
            variant: self._progress.add_task(variant, total=plan.max_epochs, told="starting")
            for variant in plan.variants
        }

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, variant: str, done: int, told: str) -> None:
        """Move the bar of `variant`; safe from any thread."""
        self._progress.update(self._bars[variant], completed=done, told=told)


def train(
    file: Path | None,
    changes: list[str] | None,
    epochs: int | None,
    seed: int | None,
    workload: str | None,
    *,
    as_json: bool,
) -> None:
    """Train with bars that grow, register, and show the figures."""
    settings, console = Settings(), terminal(stderr=as_json)
    given = {"max_epochs": epochs, "seed": seed, "workload": workload}
    more = [f"{name}={value}" for name, value in given.items() if value is not None]
    plan = plan_from(TrainingPlan, file, [*(changes or ()), *more])
    folder = settings.home / "artifacts" / datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    registry, tracker = MlflowRegistry(settings.mlflow_uri), MlflowTracker(settings.mlflow_uri)
    with Bars(plan, console) as bars:
        training = Training(settings, folder, tracker, commit=git_commit(settings.project), on_step=bars.show)
        trained = find(plan.workload).train(plan, training)
    registered = [register(registry, one) for one in trained]
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in registered]))
        return
    for one in registered:
        refused = f", refused: {'; '.join(one.reasons)}" if not one.passed else ""
        console.print(f"registered {one.version}{refused}", highlight=False)
    show_table(console, figures(trained))


def figures(trained: tuple[TrainedModel, ...]) -> Table:
    """Return the table of what was trained: whether it passed the gate, and the figures its workload shows."""
    table = Table("variant", "gate", *trained[0].shown, box=None, pad_edge=False)
    for one in trained:
        table.add_row(one.variant, "passed" if one.gate.passed else "refused", *one.shown.values())
    return table
