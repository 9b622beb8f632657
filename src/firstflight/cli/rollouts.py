"""Answer, end and read rollouts from a terminal."""

import json

import typer

from firstflight.acts.answer import give
from firstflight.cli.telling import plain, say, tell, terminal
from firstflight.domain.errors import ApprovalRefusedError, NotFoundError, StoreUnavailableError
from firstflight.domain.wording import visible
from firstflight.ledger import open_store
from firstflight.orchestrator import Orchestrator
from firstflight.rollout.approval import Answer
from firstflight.rollout.machine import checks_stream, stream
from firstflight.rollout.story import actor_name, reasons, sentence
from firstflight.settings import Settings


def approve(run: str, name: str, comment: str, *, as_json: bool) -> None:
    """Answer yes. Raises ApprovalRefusedError when nothing is asked, or Prefect does not take it."""
    _answer(run, Answer(approver=name, decision="approve", comment=comment), as_json=as_json)


def reject(run: str, name: str, comment: str, *, as_json: bool) -> None:
    """Answer no. Raises ApprovalRefusedError when nothing is asked, or Prefect does not take it."""
    _answer(run, Answer(approver=name, decision="reject", comment=comment), as_json=as_json)


def history(model: str, last: int, *, as_json: bool) -> None:
    """Tell the last records of a model's rollouts. Raises NotFoundError when there are none."""
    ledger = open_store(Settings())
    if not (records := ledger.read(stream(model))[-last:]):
        known = ", ".join(name.removeprefix("rollout/") for name in ledger.streams("rollout/")) or "none yet"
        raise NotFoundError(f"the ledger has no rollout of {model!r}; models it has some of: {known}")
    if as_json:
        for record in records:
            typer.echo(json.dumps(record.model_dump(mode="json")))
        return
    console, day, who = terminal(), None, ""
    for record in records:
        if record.at.date() != day:
            day = record.at.date()
            say(console, f"[bold]{plain(model)}, {day:%Y-%m-%d} (UTC)[/bold]")
        tell(console, record, by="" if record.actor == who else actor_name(record.actor))
        who = record.actor


def _answer(word: str, answer: Answer, *, as_json: bool) -> None:
    settings = Settings()
    ledger, orchestrator = open_store(settings), Orchestrator(settings.prefect_api, settings.prefect_auth)
    try:
        rollout, stage = give(ledger, orchestrator, word, answer)
    except StoreUnavailableError as error:
        _answer_unseen(orchestrator, word, answer, str(error), as_json=as_json)
        return
    candidate, stable = rollout.candidate.served_name, rollout.arms.stable.served_name
    if as_json:
        told = {"rollout": rollout.id, "run": rollout.driver, "candidate": candidate, "stage": stage}
        typer.echo(json.dumps({**told, **answer.model_dump()}))
        return
    goes = f"{candidate} goes on to {stage} %" if answer.decision == "approve" else f"traffic goes back to {stable}"
    verb = "approved" if answer.decision == "approve" else "rejected"
    typer.echo(f"{answer.approver} {verb} {rollout.id} before {stage} %: {goes} within seconds (run {rollout.driver})")
    if check := next((one for one in reversed(ledger.read(checks_stream(rollout))) if one.kind == "check"), None):
        typer.echo(visible(f"its last {sentence(check)}: {'; '.join(reasons(check))}"))


def _answer_unseen(orchestrator: Orchestrator, word: str, answer: Answer, why: str, *, as_json: bool) -> None:
    """Answer a run that is named by its id, as from outside a cluster, where the ledger cannot be asked what it is."""
    run = orchestrator.find(word)
    if str(run.id) != word or not run.suspended:
        raise ApprovalRefusedError(
            f"{word!r} is not the id of a run that waits, and nothing else can be looked up: {why}"
        )
    orchestrator.resume(run.id, answer.model_dump())
    if as_json:
        typer.echo(json.dumps({"run": word, **answer.model_dump()}))
    else:
        typer.echo(visible(f"{answer.approver}: {answer.decision} taken by run {run.id} ({run.name}), unseen: {why}"))
