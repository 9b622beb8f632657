"""Adopt a model out of MLflow, and serve registered versions, from a terminal."""

import json
import logging
import re
import subprocess
import tempfile
from pathlib import Path

import typer
from pydantic import TypeAdapter, ValidationError

from firstflight.acts import deploy as deploying
from firstflight.acts.adopt import adopt as take
from firstflight.domain.versions import DnsLabel
from firstflight.domain.wording import visible
from firstflight.settings import Settings
from firstflight.world import open_world

_LABEL: TypeAdapter[str] = TypeAdapter(DnsLabel)


def adopt(address: str, variant: str, model: str | None, name: str | None, *, trust_code: bool, as_json: bool) -> None:
    """Bring the model at `address` here, check it and register it; say what it is now."""
    if trust_code and name is None:
        raise typer.BadParameter("--trust-code is kept with the name of who said so: --as NAME")
    model = _label("--model", model or _model_of(address))
    settings = Settings()
    world = open_world(settings)
    from firstflight.registry.mlflow_files import fetch_model  # noqa: PLC0415 - takes seconds

    with tempfile.TemporaryDirectory(prefix="firstflight-") as scratch:
        folder = fetch_model(settings.mlflow_uri, address, Path(scratch))
        adopted = take(
            world,
            folder,
            address,
            model,
            _label("--variant", variant),
            trusted_by=name if trust_code else None,
            python=python_of(settings.serving_python),
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


def python_of(interpreter: Path) -> str | None:
    """Return the minor version of the interpreter, as 3.11; None when it is not here, as with models in a cluster."""
    asked = [str(interpreter), "-c", "import sys; print(f'{sys.version_info.major}.{sys.version_info.minor}')"]
    try:
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _model_of(address: str) -> str:
    found = re.match(r"models:/(?!m-[0-9a-f]{32}$)([^/@]+)[/@]", address)
    if found is None:
        raise typer.BadParameter(f"{address} names no registered model; which one is it to be here: --model NAME")
    return found[1]


def _label(option: str, name: str) -> str:
    try:
        return _LABEL.validate_python(name)
    except ValidationError as error:
        raise typer.BadParameter(
            f"{name!r} is no name for a route or a served model: up to 40 of a-z, 0-9 and -; give another with {option}"
        ) from error
