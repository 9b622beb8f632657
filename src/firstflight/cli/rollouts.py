"""Answer, end and read rollouts from a terminal."""

import json
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from firstflight.domain.errors import ApprovalRefusedError
from firstflight.ledger import open_store
from firstflight.orchestrator import Orchestrator
from firstflight.rollout.approval import Answer
from firstflight.rollout.machine import stream
from firstflight.rollout.story import reasons, sentence
from firstflight.settings import Settings

console = Console()


def approve(run: str, name: str, comment: str) -> None:
    """Answer yes. Raises ApprovalRefusedError when the run does not wait, or does not take it."""
    _answer(run, Answer(approver=name, decision="approve", comment=comment))


def reject(run: str, name: str, comment: str) -> None:
    """Answer no. Raises ApprovalRefusedError when the run does not wait, or does not take it."""
    _answer(run, Answer(approver=name, decision="reject", comment=comment))


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
