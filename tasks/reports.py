"""The report of a run, and how the run says what came of it."""

from pathlib import Path
from typing import Any

from prefect import task
from prefect.client.schemas import State
from prefect.states import Completed, Failed

from firstflight.acts.ledger_view import of_run
from firstflight.domain.versions import ModelVersion, Trained
from firstflight.observation.history import History
from firstflight.report.data import Link
from firstflight.rollout.machine import Phase, Rollout
from firstflight.settings import Settings
from firstflight.world import open_world
from tasks.artifacts import show_link
from tasks.options import CALLS_OUT

OUTCOMES = {Phase.PROMOTED: "Promoted", Phase.ROLLED_BACK: "RolledBack", Phase.COMPARED: "Compared"}


def report_of(rollout: Rollout) -> Path:
    """Return where the report of the rollout's run is written."""
    return Settings().home / "reports" / f"{rollout.id}.html"


def write_report(rollout: Rollout, *, retries: int = CALLS_OUT["retries"]) -> None:
    """Write the report of the rollout's run; one that cannot be written is a failed task and no failed run.

    It tells and decides nothing: a release must not end, nor a question be kept back, for want of a page.
    """
    leave_report.with_options(retries=retries)(rollout, return_state=True)


@task(**CALLS_OUT)
def leave_report(rollout: Rollout) -> None:
    """Write one HTML file about everything the rollout's run did so far, and link it in Prefect."""
    from firstflight.acts.report import report_data  # noqa: PLC0415 - with the next: matplotlib, to draw alone
    from firstflight.report.page import write_report as write  # noqa: PLC0415 - see above

    settings = Settings()
    world = open_world(settings)
    told = tuple(one for one in of_run(world.ledger, rollout.run) if one.model == rollout.model)
    links = (
        Link(label="Flow run", url=world.link(rollout.run)),
        Link(label="Model in MLflow", url=f"{settings.mlflow_uri}/#/models/{rollout.model}"),
    )
    path = report_of(rollout)
    write(report_data(world, History(settings.database("firstflight")), told, links), path)
    show_link(key=f"report-{rollout.id}", link=path.as_uri(), description=f"Report of {rollout.id}: {path}")
    show_link(key=f"mlflow-{rollout.id}", link=links[1].url, description="The model in MLflow")


def outcome(rollout: Rollout) -> State[Any]:
    """Its state's name says what came of the candidate; one that was rolled back is red on Prefect's page."""
    end = Failed if rollout.phase is Phase.ROLLED_BACK else Completed
    return end(name=OUTCOMES[rollout.phase], message="; ".join(rollout.reasons)[:500] or None)


def refuse_other_end(state: State[Any]) -> None:
    """Raise what ended a rollout's flow when `state` is no `outcome` of the rollout."""
    if state.name not in OUTCOMES.values():
        state.result()


def kept_champion(why: str, champion: ModelVersion, trained: Trained) -> State[Any]:
    """The run did its work, and what serves stays."""
    refused = [f"{name}: {'; '.join(one.reasons)}" for name, one in trained.variants.items() if not one.passed]
    return Completed(name="KeptChampion", message="; ".join([f"{champion} stays: {why}", *refused])[:500])
