"""Stop serving what nothing needs, from a terminal."""

import json

import typer

from firstflight.acts.undeploy import undeploy as stop
from firstflight.acts.undeploy import undeploy_old
from firstflight.settings import Settings
from firstflight.world import open_world


def undeploy(name: str, *, old: bool, as_json: bool) -> None:
    """Stop serving `name`, or with `old` what that model has behind it; say what was stopped."""
    world = open_world(Settings())
    if old:
        gone = undeploy_old(world, name)
    else:
        stop(world, name)
        gone = (name,)
    if as_json:
        typer.echo(json.dumps({"undeployed": gone}))
    else:
        typer.echo(f"no longer served: {', '.join(gone)}" if gone else "nothing old is served")
