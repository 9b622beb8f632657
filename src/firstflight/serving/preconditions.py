"""What every backend refuses, and in which words."""

from collections.abc import Mapping
from pathlib import Path

from firstflight.domain.digest import folder_digest
from firstflight.domain.errors import ModelNotLoadedError, ModelNotReadyError, ServingError, StaleTokenError
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.values import Value
from firstflight.domain.versions import MLFLOW_FILE, ModelVersion

MODEL_FILES = ("model.onnx", MLFLOW_FILE)
"""One of them is in every folder that can be served."""


def names_in(split: TrafficSplit) -> tuple[str, ...]:
    """Return every served name the split needs: those with weight, 0 included, and the shadow."""
    return (*split.weights, *([split.shadow] if split.shadow else []))


def routes_using(name: str, splits: Mapping[str, TrafficSplit]) -> list[str]:
    """Return the routes whose split needs `name`."""
    return [route for route, split in splits.items() if name in names_in(split)]


class Fence(Value):
    """The highest token shown for a route; `closed` when the route was brought home and that token counts no more."""

    token: int = 0
    closed: bool = False

    def behind(self) -> "Fence":
        """Return the fence after going home: every token shown so far is refused."""
        return self.model_copy(update={"closed": True})


def refuse_stale(route: str, token: int, fence: Fence | None) -> Fence:
    """Return the fence once `token` has been shown for `route`.

    Raises:
        StaleTokenError: Another driver has shown a higher token, or the route was brought home under this one.
    """
    known = fence or Fence()
    if token < known.token:
        raise StaleTokenError(
            f"{route}: token {token} is older than {known.token}, somebody else drives this route now"
        )
    if known.closed and token == known.token:
        raise StaleTokenError(f"{route}: was brought home under token {token}; read the rollout again before acting")
    return Fence(token=token)


def refuse_unserved(route: str, split: TrafficSplit, served: Mapping[str, ModelVersion]) -> None:
    """Raise ModelNotLoadedError when the split needs a name that is not served, or that serves another model."""
    for name in names_in(split):
        if name not in served:
            known = ", ".join(sorted(served)) or "nothing"
            raise ModelNotLoadedError(f"{route}: cannot send traffic to {name}, served now: {known}; deploy it first")
        if served[name].model != route:
            raise ModelNotLoadedError(f"{route}: cannot send traffic to {name}, it serves {served[name].model}")


def refuse_used(name: str, splits: Mapping[str, TrafficSplit]) -> None:
    """Raise ServingError when a split needs `name`."""
    if routes := routes_using(name, splits):
        uses = "; ".join(f"{route}: {splits[route]}" for route in routes)
        raise ServingError(f"{name} is in use ({uses}); set traffic without it first")


def refuse_other_files(name: str, version: ModelVersion, artifact: Path) -> None:
    """Raise ModelNotReadyError when the folder holds no model, or other files than the registered ones."""
    if not any((artifact / file).is_file() for file in MODEL_FILES):
        raise ModelNotReadyError(f"{name}: {artifact} holds no {' or '.join(MODEL_FILES)}, nothing to serve")
    if (digest := folder_digest(artifact)) != version.digest:
        raise ModelNotReadyError(f"{name}: {artifact} has {digest}, wanted {version.digest} of {version}")


def refuse_other_version(
    name: str, version: ModelVersion, present: ModelVersion | None, splits: Mapping[str, TrafficSplit]
) -> None:
    """Raise ServingError when `name` serves something else that a split needs."""
    if present not in {None, version} and routes_using(name, splits):
        raise ServingError(
            f"{name} serves {present} and is in use, it cannot become {version}; deploy under another name"
        )
