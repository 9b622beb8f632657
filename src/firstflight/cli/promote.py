"""Let a candidate take over from a stable model that fails."""

import json

import typer

from firstflight.acts.ledger_view import current
from firstflight.acts.promote import order_promotion
from firstflight.domain.errors import RolloutError
from firstflight.settings import Settings
from firstflight.world import open_world


def promote(model: str, name: str, comment: str, *, as_json: bool) -> None:
    """Write down that the model's open rollout is to be promoted; its driver does so within seconds."""
    world = open_world(Settings())
    rollout = current(world.ledger, model)
    if rollout is None or rollout.final:
        raise RolloutError(f"{model} has no open rollout; `firstflight history {model}` tells of the last one")
    ordered = order_promotion(world, rollout, approver=name, comment=comment)
    candidate = ordered.candidate.served_name
    if as_json:
        typer.echo(json.dumps({"rollout": ordered.id, "run": ordered.driver, "candidate": candidate, "approver": name}))
        return
    typer.echo(f"{name}: {candidate} is to serve all of {model}; its driver acts within seconds")
