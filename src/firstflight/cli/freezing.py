"""Freeze windows, and stopping the line."""

import json
from datetime import UTC, datetime

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


def freeze(reason: str, name: str, since: datetime | None, until: datetime | None) -> None:
    """Write the freeze down, and say it."""
    begin = _utc(since) if since else datetime.now(UTC)
    try:
        wanted = Freeze(by=name, reason=reason, since=begin, until=_utc(until) if until else None)
    except ValidationError as error:
        raise RolloutError("; ".join(str(one["ctx"]["error"]) for one in error.errors())) from error
    begin_freeze(open_store(Settings()), wanted)
    console.print(str(wanted))


def thaw(reason: str, name: str) -> None:
    """Lift every freeze, and name each."""
    lifted = lift_freezes(open_store(Settings()), by=name, reason=reason)
    console.print("\n".join(f"lifted: {one}" for one in lifted) or "nothing was frozen")


def frozen(*, as_json: bool) -> None:
    """Show the freezes that stand; exit code 4 when one holds now."""
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
