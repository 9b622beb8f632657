"""Fire drills: run one, and show what came of it on Prefect's pages."""

from typing import Any

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.client.schemas import State
from prefect.states import Completed, Failed

from firstflight.drill.faults import FaultName
from firstflight.drill.result import HEADERS, LEGEND, Drill, headline, row
from firstflight.drill.run import drill
from firstflight.settings import Settings
from tasks.options import CALLS_OUT, WATCHES
from tasks.runs import top_run


@task(**WATCHES)
def run_drill(model: str, faults: list[FaultName], workload: str) -> Drill:
    """Let each fault strike a rollout of copies of the champion, on the drill's own route."""
    return drill(Settings(), model, faults, workload, actor=top_run())


@task(**CALLS_OUT)
def show(done: Drill) -> None:
    """Leave the drill's table as an artifact."""
    table = [dict(zip(HEADERS, row(result), strict=True)) for result in done.results]
    broken = [f"- **{result.fault.name}**: {sentence}" for result in done.results for sentence in result.broken]
    create_table_artifact(
        key=done.id, table=table, description="\n".join((f"{headline(done)}. {LEGEND}.", "", *broken))
    )


def outcome(done: Drill) -> State[Any]:
    """The run fails when a promise was not kept, so that whoever watches failed runs hears of it."""
    if done.kept:
        return Completed(name="CameHome", message=headline(done))
    return Failed(name="NotAsPromised", message=headline(done))
