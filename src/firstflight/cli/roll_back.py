"""Bring a model home from a terminal; whoever calls it is in a hurry, so nothing else is imported."""

import typer

from firstflight.acts.homecoming import bring_model_home
from firstflight.domain.wording import visible
from firstflight.settings import Settings
from firstflight.world import open_world


def roll_back(model: str, reason: str, name: str, *, as_json: bool) -> None:
    """Send traffic home, and say what was, what is and how that was verified."""
    home = bring_model_home(open_world(Settings()), model, actor=name, reason=reason)
    if as_json:
        typer.echo(home.model_dump_json())
        return
    typer.echo(f"was:      {home.was}")
    evicted = " by the router's word; its candidate is stopped" if home.proof.way == "eviction" else ""
    typer.echo(f"is:       {home.proof.reported}{evicted}")
    typer.echo(f"verified: {home.proof.counted}, by the {home.proof.way}, in {home.proof.seconds:.1f} s")
    typer.echo(f"home:     {visible(home.home)}")
    typer.echo(f"ledger:   {visible(home.ledger)}")
