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
from firstflight.workloads.market.data.market import load_market
from firstflight.workloads.market.training.provenance import git_commit
from firstflight.workloads.market.training.side_by_side import train_side_by_side
from firstflight.workloads.market.training.trained import Epoch, TrainedVariant
from firstflight.workloads.market.training.variants import VariantName


class EpochBars:
    """One bar per variant that grows with its epochs; used as `with EpochBars(plan, console) as bars`."""

    def __init__(self, plan: TrainingPlan, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<12}"),
            BarColumn(),
            TextColumn("epoch {task.completed:.0f}/{task.total:.0f}  {task.fields[loss]}"),
            TimeElapsedColumn(),
            console=console,
        )
        self._bars: dict[VariantName, TaskID] = {
            variant: self._progress.add_task(variant, total=plan.max_epochs, loss="starting")
            for variant in plan.variants
        }

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, variant: VariantName, epoch: Epoch) -> None:
        """Move the bar of `variant` to `epoch`; safe from any thread."""
        loss = f"loss {epoch.validation_loss:.4f}, AUC {epoch.validation_auc:.4f} (validation)"
        self._progress.update(self._bars[variant], completed=epoch.number, loss=loss)


def train(file: Path | None, changes: list[str] | None, epochs: int | None, seed: int | None, *, as_json: bool) -> None:
    """Train with bars that grow, register, and show the figures."""
    settings, console = Settings(), terminal(stderr=as_json)
    given = {"max_epochs": epochs, "seed": seed}
    more = [f"{name}={value}" for name, value in given.items() if value is not None]
    plan = plan_from(TrainingPlan, file, [*(changes or ()), *more])
    market = load_market(settings.data_file(plan.data), settings.fear_index_file)
    folder = settings.home / "artifacts" / datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    registry, tracker = MlflowRegistry(settings.mlflow_uri), MlflowTracker(settings.mlflow_uri)
    with EpochBars(plan, console) as bars:
        trained = train_side_by_side(
            plan, market, folder, tracker, commit=git_commit(settings.project), on_epoch=bars.show
        )
    registered = [register(registry, one) for one in trained]
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in registered]))
        return
    for one in registered:
        refused = f", refused: {'; '.join(one.reasons)}" if not one.passed else ""
        console.print(f"registered {one.version}{refused}", highlight=False)
    show_table(console, figures(trained))


def figures(trained: tuple[TrainedVariant, ...]) -> Table:
    """Return the table of what was trained: the gate's part first, the untouched test part beside it."""
    headers = ("variant", "gate", "AUC", "MCC", "Brier", "Sharpe", "test AUC", "test Sharpe", "CPU s")
    table = Table(*headers, box=None, pad_edge=False)
    for one in trained:
        v, t = one.validation, one.test
        table.add_row(
            one.variant,
            "passed" if one.gate.passed else "refused",
            f"{v.scores.auc:.4f}",
            f"{v.scores.mcc:+.4f}",
            f"{v.scores.brier:.4f}",
            f"{v.trading.sharpe:.2f}",
            f"{t.scores.auc:.4f}",
            f"{t.trading.sharpe:.2f}",
            f"{one.cpu_seconds:.0f}",
        )
    return table
