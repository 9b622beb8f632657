"""The guard's rounds inside a run."""

from contextlib import suppress
from functools import partial
from uuid import UUID

from prefect import task
from prefect.artifacts import create_markdown_artifact

from firstflight.acts.champion import settle_champions
from firstflight.acts.homecoming import bring_orphans_home
from firstflight.acts.tell_ends import tell_ends
from firstflight.errors import FirstflightError, RegistryUnavailableError
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
    orchestrator = Orchestrator(settings.prefect_api, settings.prefect_auth)
    link = Orchestrator(settings.prefect_page).run_page
    orphans = bring_orphans_home(world, partial(how_ended, orchestrator), actor="watch-health")
    told = tell_ends(world, link)
    watching = Guard(world, link=link)
    done = [
        *(f"{one.model}: {one.id} is home: {'; '.join(one.reasons)}" for one in orphans),
        *(f"{one.model}: people were told that {one.id} was rolled back" for one in told if one not in orphans),
    ] + [
        f"{home.route}: {home.rollout} is home by the {home.proof.way}: {home.reason}"
        for home in watching.rounds(settings.guard_seconds, settings.lease_seconds + settings.guard_seconds)
    ]
    if done:
        create_markdown_artifact("\n".join(f"- {one}" for one in done), key="watch-health")
    return done


def how_ended(orchestrator: Orchestrator, driver: str) -> str | None:
    """Return how the flow run that drives a rollout ended; None while it may act, and for who is no flow run."""
    try:
        run = orchestrator.run(UUID(driver))
    except (ValueError, FirstflightError):
        return None
    return f"flow run {run.name} ended {run.state_name}: {run.message}" if run.final else None
