"""Freeze windows, and stopping the line."""

import json
from datetime import UTC, datetime

import typer
from pydantic import ValidationError

from firstflight.acts.freeze import begin_freeze, lift_freezes
from firstflight.cli.telling import plain, say, terminal
from firstflight.domain.wording import visible
from firstflight.ledger import open_store
from firstflight.rollout.freeze import STREAM, Freeze, freezes
from firstflight.settings import Settings


def freeze(reason: str, name: str, since: datetime | None, until: datetime | None, *, as_json: bool) -> None:
    """Write the freeze down, and say it."""
    begin = _utc(since) if since else datetime.now(UTC)
    try:
        wanted = Freeze(by=name, reason=reason, since=begin, until=_utc(until) if until else None)
    except ValidationError as error:
        raise typer.BadParameter("; ".join(str(one["ctx"]["error"]) for one in error.errors())) from error
    begin_freeze(open_store(Settings()), wanted)
    typer.echo(wanted.model_dump_json() if as_json else str(wanted))


def thaw(reason: str, name: str, *, as_json: bool) -> None:
    """Lift every freeze, and name each."""
    lifted = lift_freezes(open_store(Settings()), by=name, reason=reason)
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in lifted]))
    else:
        typer.echo("\n".join(f"lifted: {visible(str(one))}" for one in lifted) or "nothing was frozen")


def frozen(*, as_json: bool) -> None:
    """Show the freezes that stand; exit code 4 when one holds now."""
    standing = freezes(open_store(Settings()).read(STREAM))
    now, console = datetime.now(UTC), terminal()
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in standing]))
    else:
        for one in standing:
            holds = "[bold red]holds now[/bold red]" if one.holds_at(now) else "does not hold now"
            say(console, f"{holds}: {plain(str(one))}")
        if not standing:
            console.print("nothing is frozen")
    raise typer.Exit(4 if any(one.holds_at(now) for one in standing) else 0)


def _utc(given: datetime) -> datetime:
    return given.replace(tzinfo=UTC)
