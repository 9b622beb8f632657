"""Adopt a model out of MLflow, and serve registered versions, from a terminal."""

import json
import logging

import typer
from pydantic import TypeAdapter, ValidationError

from firstflight.acts import deploy as deploying
from firstflight.acts.adopt import adopt_at
from firstflight.domain.plans import model_in
from firstflight.domain.versions import DnsLabel
from firstflight.domain.wording import visible
from firstflight.settings import Settings
from firstflight.world import open_world

_LABEL: TypeAdapter[str] = TypeAdapter(DnsLabel)


def adopt(address: str, variant: str, model: str | None, name: str | None, *, trust_code: bool, as_json: bool) -> None:
    """Bring the model at `address` here, check it and register it; say what it is now."""
    if trust_code and name is None:
        raise typer.BadParameter("--trust-code is kept with the name of who said so: --as NAME")
    model = _label("--model", model or _model_in(address))
    settings = Settings()
    adopted = adopt_at(
        open_world(settings), settings, address, model, _label("--variant", variant), by=name, trust_code=trust_code
    )
    if as_json:
        typer.echo(json.dumps(adopted.model_dump(mode="json")))
        return
    version = adopted.version
    typer.echo(visible(f"{version} is registered: {', '.join(adopted.flavors)}, {version.digest}"))
    typer.echo(visible(adopted.why or f"it is the {adopted.alias} of {model}"))
    typer.echo(f"serve it with `firstflight deploy {model} {version.number}`")


def deploy(model: str, numbers: list[int], *, as_json: bool) -> None:
    """Serve the versions and open the route to its champion, as the flow `deploy` does."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("firstflight").setLevel(logging.INFO)
    world = open_world(Settings())
    served = [deploying.deploy(world, world.registry.get(model, number)) for number in numbers]
    opened = deploying.open_route(world, model, actor="firstflight deploy")
    if as_json:
        typer.echo(json.dumps({"served": served, "opened_to": opened.served_name if opened else None}))
        return
    typer.echo(f"served: {', '.join(served)}")
    if opened:
        typer.echo(f"{model} is answered by its champion, {opened.served_name}")


def _model_in(address: str) -> str:
    if found := model_in(address):
        return found
    raise typer.BadParameter(f"{address} names no registered model; which one is it to be here: --model NAME")


def _label(option: str, name: str) -> str:
    try:
        return _LABEL.validate_python(name)
    except ValidationError as error:
        raise typer.BadParameter(
            f"{name!r} is no name for a route or a served model: up to 40 of a-z, 0-9 and -; give another with {option}"
        ) from error
