"""The guard's rounds inside a run."""

from contextlib import suppress

from prefect import task
from prefect.artifacts import create_markdown_artifact

from firstflight.acts.champion import settle_champions
from firstflight.errors import RegistryUnavailableError
from firstflight.guard.guard import Guard
from firstflight.orchestrator import Orchestrator
from firstflight.settings import Settings
from firstflight.world import open_world
from tasks.options import WATCHES


@task(**WATCHES)
def go_rounds() -> list[str]:
    """Watch for as long as a driver may be silent; only what was brought home leaves an artifact."""
    settings = Settings()
    world = open_world(settings)
    with suppress(RegistryUnavailableError):  # the guard's rounds need no registry; the next run tries again
        settle_champions(world)
    watching = Guard(world, link=Orchestrator(settings.prefect_page).run_page)
    done = [
        f"{home.route}: {home.rollout} is home by the {home.proof.way}: {home.reason}"
        for home in watching.rounds(settings.guard_seconds, settings.lease_seconds + settings.guard_seconds)
    ]
    if done:
        create_markdown_artifact("\n".join(f"- {one}" for one in done), key="watch-health")
    return done
