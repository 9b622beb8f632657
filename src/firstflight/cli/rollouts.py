"""Answer, end and read rollouts from a terminal."""

import json
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from firstflight.acts.homecoming import bring_model_home
from firstflight.domain.errors import ApprovalRefusedError
from firstflight.ledger import open_store
from firstflight.orchestrator import Orchestrator
from firstflight.rollout.approval import Answer
from firstflight.rollout.machine import stream
from firstflight.rollout.story import reasons, sentence
from firstflight.settings import Settings
from firstflight.world import open_world

console = Console()
Run = Annotated[str, typer.Argument(help="Flow run that waits: its id, or `latest`.")]
As = Annotated[str, typer.Option("--as", help="Who you are; it is kept in the record.")]


def approve(run: Run, name: As, comment: Annotated[str, typer.Option(help="Why.")] = "") -> None:
    """Let a waiting rollout go on to its next stage.

    Exit code 5: the run does not wait, or does not take the answer.
    """
    _answer(run, Answer(approver=name, decision="approve", comment=comment))


def reject(run: Run, name: As, comment: Annotated[str, typer.Option(help="Why; it is asked for.")]) -> None:
    """End a waiting rollout: traffic goes back to the stable model.

    Exit code 5: the run does not wait, or does not take the answer.
    """
    _answer(run, Answer(approver=name, decision="reject", comment=comment))


def roll_back(
    model: Annotated[str, typer.Argument(help="Model whose open rollout is to end.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept in the record.")] = "asked for at a terminal",
    name: As = "terminal",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Send all of a model's traffic to its stable version, now. Safe at any moment, and twice.

    Works without Prefect, MLflow, Slack and the database. Prints what was, what is, and how it was verified.
    """
    home = bring_model_home(open_world(Settings()), model, actor=name, reason=reason)
    if as_json:
        typer.echo(home.model_dump_json())
        return
    console.print(f"was:      {home.was}")
    console.print(f"is:       {home.proof.reported}")
    console.print(f"verified: {home.proof.counted}, by the {home.proof.way}, in {home.proof.seconds:.1f} s")
    console.print(f"ledger:   {home.ledger}")


def history(
    model: Annotated[str, typer.Argument(help="Registered model.")],
    last: Annotated[int, typer.Option(help="How many records, newest last.")] = 40,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON record a line.")] = False,
) -> None:
    """Print what happened to a model: every record of its rollouts."""
    records = open_store(Settings()).read(stream(model))[-last:]
    if as_json:
        for record in records:
            typer.echo(json.dumps(record.model_dump(mode="json")))
        return
    table = Table("at (UTC)", "who", "what", title=f"{model}: {len(records)} records")
    for record in records:
        table.add_row(f"{record.at:%Y-%m-%d %H:%M:%S}", record.actor, "\n".join((sentence(record), *reasons(record))))
    console.print(table)


def _answer(run: str, answer: Answer) -> None:
    settings = Settings()
    orchestrator = Orchestrator(settings.prefect_api, settings.prefect_auth)
    found = _waiting(orchestrator, run)
    orchestrator.resume(found, answer.model_dump())
    console.print(f"{answer.approver}: {answer.decision} taken by run {found}; it goes on within seconds")


def _waiting(orchestrator: Orchestrator, run: str) -> str:
    waiting = orchestrator.suspended()
    if run == "latest" and waiting:
        return str(waiting[0].id)
    if any(str(one.id) == run for one in waiting):
        return str(UUID(run))
    listed = ", ".join(f"{one.id} ({one.name})" for one in waiting) or "none"
    raise ApprovalRefusedError(f"run {run!r} does not wait for an answer; runs that do: {listed}")
