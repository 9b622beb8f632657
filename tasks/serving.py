"""Serve registered versions."""

from prefect import task

from firstflight.acts import deploy as deploying
from firstflight.acts.start import shadow_name
from firstflight.domain.versions import ModelVersion, Registered
from firstflight.settings import Settings
from firstflight.world import open_world
from tasks.options import CALLS_OUT
from tasks.runs import top_run


@task(**CALLS_OUT)
def deploy_version(model: str, number: int) -> str:
    """Serve one version and return its served name."""
    world = open_world(Settings())
    return deploying.deploy(world, world.registry.get(model, number))


@task(**CALLS_OUT)
def deploy_shadow(model: str, number: int) -> str:
    """Serve one version once more, as a shadow."""
    world = open_world(Settings())
    version = world.registry.get(model, number)
    return deploying.deploy(world, version, shadow_name(version))


@task(**CALLS_OUT)
def open_route(model: str) -> None:
    """Give the champion its traffic where the route has no split yet."""
    deploying.open_route(open_world(Settings()), model, actor=top_run())


@task(**CALLS_OUT)
def ensure_champion(first: Registered) -> ModelVersion:
    """Return the champion, served and with its traffic; `first` when there was none."""
    return deploying.ensure_champion(open_world(Settings()), first, actor=top_run())
