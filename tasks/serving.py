"""Serve registered versions."""

from prefect import task

from firstflight.acts import deploy as deploying
from firstflight.acts.start import shadow_name
from firstflight.settings import Settings
from firstflight.versions import ModelVersion
from firstflight.world import open_world
from tasks.options import CALLS_OUT
from tasks.runs import top_run


@task(**CALLS_OUT)
def deploy_version(model: str, number: int) -> str:
    """Serve one version and return its served name."""
    with open_world(Settings()) as world:
        return deploying.deploy(world, world.registry.get(model, number))


@task(**CALLS_OUT)
def deploy_shadow(model: str, number: int) -> str:
    """Serve one version once more, as a shadow."""
    with open_world(Settings()) as world:
        version = world.registry.get(model, number)
        return deploying.deploy(world, version, shadow_name(version))


@task(**CALLS_OUT)
def ensure_champion(first: ModelVersion) -> ModelVersion:
    """Return the champion, served and with its traffic; `first` when there was none."""
    with open_world(Settings()) as world:
        return deploying.ensure_champion(world, first, actor=top_run())
