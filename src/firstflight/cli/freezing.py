"""Freeze windows, and stopping the line."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from firstflight.acts.freeze import begin_freeze, lift_freezes
from firstflight.domain.errors import RolloutError
from firstflight.ledger import open_store
from firstflight.rollout.freeze import STREAM, Freeze, freezes
from firstflight.settings import Settings

console = Console()
As = Annotated[str, typer.Option("--as", help="Who you are; it is kept in the record.")]
FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]


def freeze(
    reason: Annotated[str, typer.Option(help="Why; everybody who is kept waiting reads it.")],
    name: As,
    since: Annotated[datetime | None, typer.Option("--from", formats=FORMATS, help="UTC; none: now.")] = None,
    until: Annotated[datetime | None, typer.Option("--until", formats=FORMATS, help="UTC; none: until `thaw`.")] = None,
) -> None:
    """Let no rollout begin and none raise traffic: stop the line now, or announce a freeze window.

    Open rollouts stay at their weight, watched by the guard; going home is always allowed.
    """
    begin = _utc(since) if since else datetime.now(UTC)
    try:
        wanted = Freeze(by=name, reason=reason, since=begin, until=_utc(until) if until else None)
    except ValidationError as error:
        raise RolloutError("; ".join(str(one["ctx"]["error"]) for one in error.errors())) from error
    begin_freeze(open_store(Settings()), wanted)
    console.print(str(wanted))


def thaw(reason: Annotated[str, typer.Option(help="Why; it is kept in the record.")], name: As) -> None:
    """Lift every freeze, announced ones included."""
    lifted = lift_freezes(open_store(Settings()), by=name, reason=reason)
    console.print("\n".join(f"lifted: {one}" for one in lifted) or "nothing was frozen")


def frozen(*, as_json: Annotated[bool, typer.Option("--json", help="One JSON list.")] = False) -> None:
    """Show the freezes that stand. Exit code 4 when one holds now."""
    standing = freezes(open_store(Settings()).read(STREAM))
    now = datetime.now(UTC)
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in standing]))
    else:
        table = Table("holds", "from (UTC)", "until (UTC)", "by", "why")
        for one in standing:
            end = f"{one.until:%Y-%m-%d %H:%M}" if one.until else "lifted"
            table.add_row("now" if one.holds_at(now) else "", f"{one.since:%Y-%m-%d %H:%M}", end, one.by, one.reason)
        console.print(table if standing else "nothing is frozen")
    raise typer.Exit(4 if any(one.holds_at(now) for one in standing) else 0)


def _utc(given: datetime) -> datetime:
    return given.replace(tzinfo=UTC)
