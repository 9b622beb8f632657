"""What a run has already done, so that a resumed run does not do it again."""

from typing import Any

from prefect import task

from firstflight.settings import Settings
from firstflight.world import open_world
from tasks.options import CALLS_OUT
from tasks.runs import top_run


@task(**CALLS_OUT)
def load(what: str) -> dict[str, Any] | None:
    """Return what this run kept under `what`, or None when it has not come so far."""
    return loaded(what)


def loaded(what: str) -> dict[str, Any] | None:
    """Return what `load` does, within another task."""
    world = open_world(Settings())
    kept = [record.body for record in world.ledger.read(_stream()) if record.kind == what]
    return kept[-1] if kept else None


@task(**CALLS_OUT)
def save(what: str, body: dict[str, Any]) -> None:
    """Write down that this run has done `what`."""
    world = open_world(Settings())
    world.ledger.append(_stream(), what, body, actor=top_run())


def _stream() -> str:
    return f"release/{top_run()}"
