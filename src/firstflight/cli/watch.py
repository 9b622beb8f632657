"""Follow a run in the terminal: every record of it as a line, what it does now as the status."""

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

import typer
from rich.console import Console

from firstflight.cli.telling import plain, say, tell, terminal
from firstflight.domain.errors import Outage, RegistryRefusedError, RegistryUnavailableError
from firstflight.ledger import open_store
from firstflight.ledger.record import Record, RecordStore
from firstflight.orchestrator import FlowRun, Orchestrator
from firstflight.registry.mlflow_rest import MlflowRest
from firstflight.rollout.machine import AwaitApproval, Phase, Rollout, checks_stream, next_act, rollouts
from firstflight.rollout.story import of_run, reasons, sentence
from firstflight.settings import Settings

POLL_SECONDS = 0.5
PATIENCE_SECONDS = 60.0
"""Prefect or the ledger may be away for so long."""
NOT_PROMOTED = 4


class Followed(NamedTuple):
    """A run as it ended, or as it was left when its rollouts had; with its rollouts, oldest first."""

    run: FlowRun
    rollouts: tuple[Rollout, ...]

    @property
    def exit_code(self) -> int:
        """0: it did what it was for; 4: its candidate does not serve; 1: it failed."""
        if self.rollouts and self.rollouts[-1].phase is Phase.ROLLED_BACK:
            return NOT_PROMOTED
        if self.run.state_type != "COMPLETED":
            return 1
        return NOT_PROMOTED if self.run.state_name == "KeptChampion" else 0


class Shown(Protocol):
    """Where a run's story is told."""

    def tell(self, record: Record) -> None:
        """Show one record."""

    def doing(self, what: str) -> None:
        """Show what the run does now, in place of what it did before."""

    def aside(self) -> AbstractContextManager[object]:
        """Leave the terminal to a person for as long as the block runs."""


def watch(run: str, *, as_json: bool) -> None:
    """Follow `run` until it ends, and say how; the exit code tells, too."""
    settings = Settings()
    orchestrator = Orchestrator(settings.prefect_api, settings.prefect_auth)
    tell_to_the_end(settings, orchestrator, orchestrator.find(run), as_json=as_json)


def tell_to_the_end(settings: Settings, orchestrator: Orchestrator, run: FlowRun, *, as_json: bool) -> None:
    """Follow `run`, say how it ended, and leave with the exit code that tells it."""
    console = terminal(stderr=as_json)
    with console.status(plain(f"run {run.name}")) as status:
        shown = Machine() if as_json else Terminal(console, status)
        followed = follow(orchestrator, open_store(settings), run, shown, MlflowRest(settings.mlflow_uri))
    ended = followed.run
    if as_json:
        typer.echo(json.dumps({"run": str(ended.id), "state": ended.state_name, "message": ended.message}))
    elif ended.final:
        why = f": {ended.message}" if ended.message else ""
        say(console, plain(f"run {ended.id} ({ended.name}) ended {ended.state_name}{why}"))
    else:
        left = f"run {ended.id} ({ended.name}) still waits in Prefect, for nothing"
        say(console, plain(f"{followed.rollouts[-1].id} has ended; {left}"))
    raise typer.Exit(followed.exit_code)


def follow(
    orchestrator: Orchestrator,
    ledger: RecordStore,
    run: FlowRun,
    shown: Shown,
    mlflow: MlflowRest,
    on_waiting: Callable[[FlowRun], None] | None = None,
) -> Followed:
    """Show what `run` has done and does until it has ended, or nothing is left for it to do.

    `on_waiting` is called once each time the run waits for a person; without it the wait is only shown.
    """
    tale, asked, heard = Tale(ledger, run), False, time.monotonic()
    while True:
        try:
            found = orchestrator.run(run.id)
            for record in tale.news():
                shown.tell(record)
            heard = time.monotonic()
        except Outage as error:
            if time.monotonic() - heard > PATIENCE_SECONDS:
                raise
            shown.doing(str(error))
            time.sleep(POLL_SECONDS)
            continue
        if found.final or (found.suspended and tale.ended):
            return Followed(found, tale.rollouts)
        shown.doing(
            tale.now(found) or training_progress(mlflow, run.parameters) or f"run {found.name}: {found.state_name}"
        )
        if found.suspended and not asked and on_waiting is not None:
            with shown.aside():
                on_waiting(found)
        asked = found.suspended
        time.sleep(POLL_SECONDS)


class Tale:
    """What the ledger tells of one run, and nothing of others: its release, its rollouts and their checks."""

    def __init__(self, ledger: RecordStore, run: FlowRun) -> None:
        self.rollouts: tuple[Rollout, ...] = ()
        self._ledger = ledger
        self._run = str(run.id)
        self._model = _model(run.parameters)
        self._read: dict[str, list[Record]] = {}
        self._told: set[tuple[str, int]] = set()
        self._check: Record | None = None

    @property
    def ended(self) -> bool:
        """Whether it had a rollout, and has none that is open."""
        return bool(self.rollouts) and all(rollout.final for rollout in self.rollouts)

    def news(self) -> list[Record]:
        """Return what it has not told yet, by time."""
        streams = [f"rollout/{self._model}"] if self._model else self._ledger.streams("rollout/")
        mine = [of_run(self._records(name), self._run) for name in streams]
        self.rollouts = tuple(rollout for records in mine for rollout in rollouts(records))
        beside = [f"release/{self._run}", *map(checks_stream, self.rollouts)]
        news = [
            record
            for records in (*mine, *map(self._records, beside))
            for record in records
            if (record.stream, record.number) not in self._told
        ]
        self._told |= {(record.stream, record.number) for record in news}
        news.sort(key=lambda record: record.at)
        self._check = next((record for record in reversed(news) if record.kind == "check"), self._check)
        return news

    def now(self, run: FlowRun) -> str:
        """Return what the run does now; empty when the ledger tells nothing of it."""
        if run.suspended:
            return next(
                (_question(rollout, run) for rollout in self.rollouts if not rollout.final), "is paused in Prefect"
            )
        return f"{sentence(self._check)}: {'; '.join(reasons(self._check))}" if self._check else ""

    def _records(self, name: str) -> list[Record]:
        known = self._read.setdefault(name, [])
        known += self._ledger.read(name, after=known[-1].number if known else 0)
        return known


def _question(rollout: Rollout, run: FlowRun) -> str:
    act = next_act(rollout)
    if not isinstance(act, AwaitApproval) or act.stage not in rollout.asked:
        if rollout.held:
            return "is held where it stands, watched: Resume on its page has it go on, Cancel or silence leads home"
        return "is paused in Prefect; the rollout asks nothing"
    left = rollout.answer_by(act.stage) - datetime.now(UTC)
    return (
        f"waits {max(0.0, left.total_seconds()) / 60:.0f} min more for a person's word before {act.stage} %: "
        f"firstflight approve {run.id} --as NAME"
    )


def _model(parameters: dict[str, Any]) -> str | None:
    """Return the model that a run is about, as its parameters tell it."""
    plan = parameters.get("plan")
    for place in (parameters, plan, plan.get("canary") if isinstance(plan, dict) else None):
        if isinstance(place, dict) and isinstance(place.get("model"), str):
            return str(place["model"])
    return None


def training_progress(mlflow: MlflowRest, parameters: dict[str, Any]) -> str:
    """Return one line about the variants that are trained now, from MLflow; empty when there are none.

    Their runs stand in the experiment that bears the model's name, whatever else this MLflow keeps.
    """
    plan = parameters.get("plan")
    training = plan.get("training", plan) if isinstance(plan, dict) else None
    if not isinstance(training, dict) or "model" not in training:
        return ""
    try:
        if (experiment := mlflow.experiment(training["model"])) is None:
            return ""
        asked = {"experiment_ids": [experiment], "filter": "attributes.status = 'RUNNING'", "max_results": 5}
        found = mlflow.post("runs/search", **asked).get("runs", [])
    except (RegistryUnavailableError, RegistryRefusedError):
        return ""
    lines = []
    for one in found:
        latest = {metric["key"]: metric for metric in one["data"].get("metrics", [])}
        if "validation_loss" in latest:
            loss = latest["validation_loss"]
            lines.append(f"{one['info']['run_name']}: epoch {loss['step'] + 1}, validation loss {loss['value']:.4f}")
    return "training  " + "  ·  ".join(sorted(lines)) if lines else ""


class Terminal:
    """A line for each record; checks, which are many, only as what the run does now."""

    def __init__(self, console: Console, status: Any) -> None:
        self._console = console
        self._status = status

    def tell(self, record: Record) -> None:
        """Print the record, its reasons below."""
        if record.kind != "check":
            tell(self._console, record)

    def doing(self, what: str) -> None:
        """Show it in place."""
        room = self._console.width - 4
        self._status.update(plain(what if len(what) <= room else what[: room - 1] + "…"))

    def aside(self) -> AbstractContextManager[object]:
        """Stop the spinner meanwhile."""
        return _Still(self._status)


class _Still:
    def __init__(self, status: Any) -> None:
        self._status = status

    def __enter__(self) -> None:
        self._status.stop()

    def __exit__(self, *_: object) -> None:
        self._status.start()


class Machine:
    """A JSON object for each record, checks included."""

    def tell(self, record: Record) -> None:
        """Print the record as it is kept."""
        typer.echo(json.dumps(record.model_dump(mode="json")))

    def doing(self, what: str) -> None:
        """Say nothing: records tell it."""

    def aside(self) -> AbstractContextManager[object]:
        """Nothing is in the way."""
        return nullcontext()
