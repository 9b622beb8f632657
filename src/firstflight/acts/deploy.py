"""Serve registered versions, and give the first champion its traffic."""

import tempfile
from contextlib import suppress
from pathlib import Path

from firstflight.domain.errors import ModelNotFoundError, NoStableModelError
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.versions import ModelVersion, Registered
from firstflight.rollout.machine import stream
from firstflight.world import World


def deploy(world: World, version: ModelVersion, name: str | None = None) -> str:
    """Fetch `version`, check its digest, serve it (under `name` when given) and return the served name."""
    with tempfile.TemporaryDirectory(prefix="firstflight-") as folder:
        world.backend.deploy(version, world.registry.fetch(version, Path(folder)), name)
    return name or version.served_name


def ensure_champion(world: World, first: Registered, *, actor: str) -> ModelVersion:
    """Return the champion; when there is none, `first` becomes it. It is served and has the traffic afterwards.

    A route that already has a split is left alone: it belongs to a rollout. Raises NoStableModelError
    when there is no champion and the offline gate refused `first`.
    """
    try:
        champion = world.registry.get(first.version.model, "champion")
    except ModelNotFoundError as error:
        if not first.passed:
            raise NoStableModelError(
                f"{first.version} cannot be the first champion, the offline gate refused it "
                f"({'; '.join(first.reasons)}); train it longer or on more data"
            ) from error
        champion = first.version
    deploy(world, champion)
    _give_traffic(world, champion, actor)
    world.registry.set_alias(champion, "champion")
    return champion


def open_route(world: World, model: str, *, actor: str) -> ModelVersion | None:
    """Give the champion that is served its traffic where the route has no split yet, as after a restore; return it.

    None when there is no champion, or it is not served, or the route has a split.
    """
    with suppress(ModelNotFoundError):
        champion = world.registry.get(model, "champion")
        if champion.served_name in world.backend.served() and _give_traffic(world, champion, actor):
            return champion
    return None


def _give_traffic(world: World, champion: ModelVersion, actor: str) -> bool:
    if world.backend.get_traffic(champion.model) is not None:
        return False
    body = {"champion": champion.model_dump(mode="json")}
    record = world.ledger.append(stream(champion.model), "champion.first", body, actor=actor)
    world.backend.set_traffic(champion.model, TrafficSplit.all_to(champion.served_name), record.number)
    return True
