"""The route of a drill: its own name and its own copies of the champion, so that nobody else's traffic is touched."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from firstflight.acts.deploy import deploy
from firstflight.acts.freeze import refuse_frozen
from firstflight.acts.homecoming import bring_model_home
from firstflight.acts.ledger_view import current
from firstflight.acts.start import champion, in_progress
from firstflight.domain.errors import RolloutError
from firstflight.domain.faults import Fault, with_fault
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.versions import ModelVersion
from firstflight.rollout.machine import stream
from firstflight.settings import Settings
from firstflight.supervision.files import locked
from firstflight.world import World

SUFFIX = "-drill"


class DrillRoute:
    """A route on which everything goes to a sound copy of the champion of `model`."""

    def __init__(self, world: World, original: ModelVersion, artifact: Path, stable: ModelVersion) -> None:
        self.name = stable.model
        self.stable = stable
        self._world = world
        self._original = original
        self._artifact = artifact

    def candidate(self, fault: Fault | None) -> ModelVersion:
        """Return another copy of the champion, served: broken as `fault` says, or sound."""
        version = _register(self._world, self._original, self._artifact, fault.kind if fault else "sound", fault)
        deploy(self._world, version)
        return version

    def dismiss(self, version: ModelVersion) -> None:
        """Stop serving a candidate that is broken or down; a sound one stays for the next fault."""
        if self._world.registry.tags(version)["drill"] != "sound" or not self._world.backend.is_ready(
            version.served_name
        ):
            self._world.backend.undeploy(version.served_name)

    def bring_home(self, actor: str, reason: str) -> None:
        """End what the drill has left open."""
        rollout = current(self._world.ledger, self.name)
        if rollout is not None and not rollout.final:
            bring_model_home(self._world, self.name, actor=actor, reason=reason)


def route_of(model: str) -> str:
    """Return the name of the drill's route for `model`."""
    return f"{model}{SUFFIX}"


@contextmanager
def drill_route(world: World, settings: Settings, model: str, actor: str) -> Iterator[DrillRoute]:
    """Serve a copy of the champion of `model` on the drill's route while the block runs.

    Afterwards nothing of the drill is served any more. The backend knows no way to drop a route: its name and its
    split to the copy stay, and answer nobody until the next drill.

    Raises:
        RolloutError: The drill's route has an open rollout, a freeze holds, another drill runs, or the model's name
            leaves no room for the drill's.
    """
    name = route_of(model)
    with _alone(settings), tempfile.TemporaryDirectory(prefix="firstflight-") as folder:
        present = current(world.ledger, name)
        if present is not None and not present.final:
            raise in_progress(present)
        refuse_frozen(world, name)
        original = champion(world, model)
        artifact = world.registry.fetch(original, Path(folder))
        stable = _register(world, original, artifact, "stable", None)
        route = DrillRoute(world, original, artifact, stable)
        try:
            _send_all_to(world, stable, actor)
            _stop_all_but(world, stable)
            yield route
        finally:
            route.bring_home(actor, "the drill ended before its rollout did")
            _stop_all_but(world, stable)
            world.backend.evict(stable.served_name)


def _register(world: World, original: ModelVersion, artifact: Path, part: str, fault: Fault | None) -> ModelVersion:
    """Register a copy as a version of the drill's route; a second drill of the same champion finds the first's.

    Its variant is the route's name too, so that no served name can be another model's.
    """
    name = route_of(original.model)
    with tempfile.TemporaryDirectory(prefix="firstflight-") as folder:
        copied = with_fault(artifact, fault, Path(folder) / "copy") if fault else artifact
        return world.registry.register(name, name, copied, {"drill": part, "copy_of": str(original)})


def _send_all_to(world: World, stable: ModelVersion, actor: str) -> None:
    deploy(world, stable)
    world.registry.set_alias(stable, "champion")
    split = TrafficSplit.all_to(stable.served_name)
    if world.backend.get_traffic(stable.model) != split:
        body = {"stable": stable.model_dump(mode="json")}
        record = world.ledger.append(stream(stable.model), "drill.prepared", body, actor=actor)
        world.backend.set_traffic(stable.model, split, record.number)


def _stop_all_but(world: World, stable: ModelVersion) -> None:
    for name in sorted(world.backend.served()):
        if name.startswith(f"{stable.variant}-predictor-v") and name != stable.served_name:
            world.backend.undeploy(name)


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Keep every other drill of this home out."""
    with ExitStack() as held:
        try:
            held.enter_context(locked(settings.home / "drills" / "lock", seconds=0))
        except TimeoutError as error:
            raise RolloutError(f"another fire drill runs in {settings.home}; let it end") from error
        yield
