"""The guard's rounds inside a run."""

import logging
from collections.abc import Callable, Iterable
from functools import partial
from uuid import UUID

from prefect import task
from prefect.artifacts import create_markdown_artifact

from firstflight.acts.champion import settle_champions
from firstflight.acts.close_runs import close_runs
from firstflight.acts.homecoming import bring_orphans_home
from firstflight.acts.tell import retell, tell_missed_rollbacks
from firstflight.domain.errors import FirstflightError
from firstflight.guard.guard import Guard
from firstflight.orchestrator import Orchestrator
from firstflight.settings import Settings
from firstflight.world import World, open_world
from tasks.options import WATCHES

log = logging.getLogger(f"firstflight.{__name__}")


@task(**WATCHES)
def go_rounds() -> list[str]:
    """Watch for as long as a driver may be silent; only what was brought home leaves an artifact."""
    settings = Settings()
    world = open_world(settings)
    done = tidy(world, Orchestrator(settings.prefect_api, settings.prefect_auth))
    done += [
        f"{home.route}: {home.rollout} is home by the {home.proof.way}: {home.reason}"
        for home in Guard(world).rounds(settings.guard_seconds, settings.lease_seconds + settings.guard_seconds)
    ]
    if done:
        create_markdown_artifact("\n".join(f"- {one}" for one in done), key="watch-health")
    return done


def tidy(world: World, orchestrator: Orchestrator) -> list[str]:
    """Finish what others left half done, and return what that was.

    It needs registry, ledger and Prefect, the guard's rounds none of them: what fails here the next run tries again.
    """
    duties: tuple[Callable[[], Iterable[str]], ...] = (
        lambda: (
            f"{one.model}: {one.id} is home: {'; '.join(one.reasons)}"
            for one in bring_orphans_home(world, partial(how_ended, orchestrator), actor="watch-health")
        ),
        lambda: (
            f"{one.model}: people were told that {one.id} was rolled back" for one in tell_missed_rollbacks(world)
        ),
        lambda: (f"people were told at last: {one}" for one in retell(world)),
        lambda: close_runs(world.ledger, orchestrator),
        lambda: (f"{model}: the alias champion was set right" for model in settle_champions(world)),
    )
    done: list[str] = []
    for duty in duties:
        try:
            done += duty()
        except FirstflightError as error:
            log.warning("%s; the next run tries again", error)
    return done


def how_ended(orchestrator: Orchestrator, driver: str) -> str | None:
    """Return how the flow run that drives a rollout ended; None while it may act, and for who is no flow run."""
    try:
        run = orchestrator.run(UUID(driver))
    except (ValueError, FirstflightError):
        return None
    return f"flow run {run.name} ended {run.state_name}: {run.message}" if run.final else None
