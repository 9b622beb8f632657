"""The guard's rounds inside a run."""

from prefect import task
from prefect.artifacts import create_markdown_artifact

from firstflight.guard.guard import Guard
from firstflight.orchestrator import Orchestrator
from firstflight.settings import Settings
from firstflight.world import open_world
from tasks.options import WATCHES


@task(**WATCHES)
def go_rounds() -> list[str]:
    """Watch for as long as a driver may be silent; only what was brought home leaves an artifact."""
    settings = Settings()
    watching = Guard(open_world(settings), link=Orchestrator(settings.prefect_api).run_page)
    done = [
        f"{home.route}: {home.rollout} is home by the {home.proof.way}: {home.reason}"
        for home in watching.rounds(settings.guard_seconds, settings.lease_seconds + settings.guard_seconds)
    ]
    if done:
        create_markdown_artifact("\n".join(f"- {one}" for one in done), key="watch-health")
    return done
