"""Answer, end and read rollouts from a terminal."""

import json

import typer
from rich.console import Console
from rich.table import Table

from firstflight.acts.approve import asked
from firstflight.acts.approve import reject as reject_now
from firstflight.domain.errors import FirstflightError
from firstflight.ledger import open_store
from firstflight.rollout.approval import Answer
from firstflight.rollout.machine import stream
from firstflight.rollout.story import reasons, sentence
from firstflight.settings import Settings
from firstflight.world import open_world

console = Console()


def approve(run: str, name: str, comment: str) -> None:
    """Answer yes. Raises ApprovalRefusedError when no rollout of the run waits, or the run does not take it."""
    rollout = asked(open_world(Settings()), run)
    _resume(rollout.driver, Answer(approver=name, decision="approve", comment=comment))
    typer.echo(f"{name} approved {max(rollout.asked)} % of {rollout.id}; run {rollout.driver} goes on within seconds")


def reject(run: str, name: str, comment: str) -> None:
    """Answer no: traffic first, then the run. Raises ApprovalRefusedError when no rollout of the run waits."""
    world = open_world(Settings())
    rollout, given = asked(world, run), Answer(approver=name, decision="reject", comment=comment)
    ended = reject_now(world, rollout, given)
    typer.echo(
        f"{name} rejected {max(rollout.asked)} % of {rollout.id}: {ended.phase}, the router reports {ended.split}"
    )
    try:
        _resume(rollout.driver, given)
    except FirstflightError as error:
        typer.echo(f"its run could not be told, the guard ends it when it can: {error}", err=True)


def history(model: str, last: int, *, as_json: bool) -> None:
    """Show the last records of a model's rollouts."""
    records = open_store(Settings()).read(stream(model))[-last:]
    if as_json:
        for record in records:
            typer.echo(json.dumps(record.model_dump(mode="json")))
        return
    table = Table("at (UTC)", "who", "what", title=f"{model}: {len(records)} records")
    for record in records:
        table.add_row(f"{record.at:%Y-%m-%d %H:%M:%S}", record.actor, "\n".join((sentence(record), *reasons(record))))
    console.print(table)


def _resume(run: str, answer: Answer) -> None:
    from firstflight.orchestrator import Orchestrator  # noqa: PLC0415 - a reject is home before this is needed

    settings = Settings()
    Orchestrator(settings.prefect_api, settings.prefect_auth).resume(run, answer.model_dump())
