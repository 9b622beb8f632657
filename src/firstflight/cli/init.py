"""Begin a workload of one's own, from a terminal."""

import importlib.util
import json
from pathlib import Path

import typer

from firstflight.workloads.skeleton import module_of, skeleton


def init(name: str, *, as_json: bool) -> None:
    """Write the skeleton's files into the current folder: all of them, or none."""
    try:
        files = skeleton(name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if there := [file for file in files if Path(file).exists()]:
        raise typer.BadParameter(f"{', '.join(there)}: there already; nothing was written, nothing is ever overwritten")
    if importlib.util.find_spec(module_of(name)) is not None:
        raise typer.BadParameter(f"Python imports something else as {module_of(name)!r}; choose another: my-{name}")
    for file, text in files.items():
        with Path(file).open("x", encoding="utf-8") as fresh:
            fresh.write(text)
    if as_json:
        typer.echo(json.dumps({"written": [*files]}))
        return
    module, canary, test, tests = files
    typer.echo(f"{module}: what an answer is worth; change its score to what your truths are")
    typer.echo(f"{canary}, {test}: `firstflight plan {canary} --rate 50` says what each can answer")
    typer.echo(f"{tests}: `python -m pytest {tests}`")
