"""Truths out of a file, and how truths stand."""

import json
from collections import Counter
from pathlib import Path
from typing import Literal

import typer

from firstflight.cli.telling import plain, say, terminal
from firstflight.observation.store import PredictionStore
from firstflight.observation.told import batches
from firstflight.observation.waiting import Labels, labels
from firstflight.settings import Settings

DAYS = 7.0
_NAMED = 20


def outcomes(deed: Literal["load", "status"], file: Path | None, *, as_json: bool) -> None:
    """Tell what `file` holds, or show how truths stand."""
    url = Settings().database("firstflight")
    if deed == "status":
        _show(labels(url, DAYS), as_json=as_json)
    elif file is None:
        raise typer.BadParameter("name the file to load: `firstflight outcomes load FILE`")
    else:
        _load(PredictionStore(url), file, as_json=as_json)


def _load(store: PredictionStore, file: Path, *, as_json: bool) -> None:
    counts: Counter[str] = Counter()
    refused: list[int] = []
    for batch in batches(file):
        results = store.tell(batch)
        refused += [counts.total() + n for n, result in enumerate(results, start=1) if result == "contradicting"]
        counts.update(results)
    if as_json:
        typer.echo(json.dumps({"counts": counts, "contradicting": refused}))
    else:
        typer.echo(
            f"{counts.total()} truth{'s' * (counts.total() != 1)}: "
            + (", ".join(f"{n} {name}" for name, n in counts.items()) or "none")
        )
        if refused:
            more = f" and {len(refused) - _NAMED} more" if len(refused) > _NAMED else ""
            rows = ", ".join(map(str, refused[:_NAMED]))
            typer.echo(f"told before as something else, which stays: rows {rows}{more}", err=True)
    raise typer.Exit(1 if refused else 0)


def _show(found: Labels, *, as_json: bool) -> None:
    if as_json:
        typer.echo(found.model_dump_json())
        return
    console = terminal()
    for model in found.models:
        waiting = f"{model.waiting:,} of {model.answers:,} answers wait for a truth"
        if model.oldest_waiting:
            waiting += f", the oldest since {model.oldest_waiting:%Y-%m-%d %H:%M} UTC"
        if model.delay_p50 is not None and model.delay_p95 is not None:
            waiting += (
                f"; half of the truths came within {model.delay_p50:,.0f} s, 95 % within {model.delay_p95:,.0f} s"
            )
        say(console, f"[bold]{plain(model.route)}[/bold]: {waiting}")
    told = ", ".join(f"{count:,} {plain(result)}" for result, count in found.told.items()) or "none"
    say(console, f"answers of the last {found.days:g} days; truths told since the beginning: {told}")
