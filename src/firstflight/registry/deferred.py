"""The stack's registry, opened when it is first asked."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from firstflight.domain.versions import ModelVersion
from firstflight.registry.registry import ModelRegistry


class DeferredRegistry:
    """MLflow's registry at `tracking_uri`; its client, seconds of a core to import, is loaded by the first call.

    Who brings traffic home is started in an emergency, on a machine in trouble, and hardly ever asks.
    """

    def __init__(self, tracking_uri: str) -> None:
        self._uri = tracking_uri

    @cached_property
    def _registry(self) -> ModelRegistry:
        from firstflight.registry.mlflow_registry import MlflowRegistry  # noqa: PLC0415 - see the class

        return MlflowRegistry(self._uri)

    def register(self, model: str, variant: str, artifact: Path, tags: Mapping[str, str]) -> ModelVersion:
        """Register folder `artifact` as a new version."""
        return self._registry.register(model, variant, artifact, tags)

    def get(self, model: str, ref: int | str) -> ModelVersion:
        """Return version `ref`."""
        return self._registry.get(model, ref)

    def set_alias(self, version: ModelVersion, alias: str) -> None:
        """Let `alias` name `version`."""
        self._registry.set_alias(version, alias)

    def versions(self, model: str) -> tuple[ModelVersion, ...]:
        """Return every version of `model`."""
        return self._registry.versions(model)

    def tags(self, version: ModelVersion) -> Mapping[str, str]:
        """Return the tags given at registration."""
        return self._registry.tags(version)

    def fetch(self, version: ModelVersion, folder: Path) -> Path:
        """Bring the served files of `version` into `folder`."""
        return self._registry.fetch(version, folder)
