"""Serve registered versions, and give the first champion its traffic."""

import tempfile
from pathlib import Path

from firstflight.errors import ModelNotFoundError, NoStableModelError
from firstflight.release import Registered
from firstflight.rollout import stream
from firstflight.traffic import TrafficSplit
from firstflight.versions import ModelVersion
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
    if world.backend.get_traffic(champion.model) is None:
        body = {"champion": champion.model_dump(mode="json")}
        record = world.ledger.append(stream(champion.model), "champion.first", body, actor=actor)
        world.backend.set_traffic(champion.model, TrafficSplit.all_to(champion.served_name), record.number)
    world.registry.set_alias(champion, "champion")
    return champion
