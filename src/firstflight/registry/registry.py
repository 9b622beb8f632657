"""The one door to registered models."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from firstflight.domain.versions import ModelVersion


class ModelRegistry(Protocol):
    """Keep model versions, their files, tags and aliases."""

    def register(self, model: str, variant: str, artifact: Path, tags: Mapping[str, str]) -> ModelVersion:
        """Register folder `artifact` as a new version. The same digest, variant and tags return the same version."""

    def get(self, model: str, ref: int | str) -> ModelVersion:
        """Return version `ref`: a number or an alias. Raises ModelNotFoundError naming what exists."""

    def set_alias(self, version: ModelVersion, alias: str) -> None:
        """Let `alias` name `version`, and no other version of its model."""

    def aliases(self, model: str) -> Mapping[str, int]:
        """Return the number that each alias of `model` names, of versions that others put there too."""

    def versions(self, model: str) -> tuple[ModelVersion, ...]:
        """Return every version of `model`, oldest first; empty when there is none."""

    def tags(self, version: ModelVersion) -> Mapping[str, str]:
        """Return the tags given at registration."""

    def fetch(self, version: ModelVersion, folder: Path) -> Path:
        """Bring the served files of `version` into `folder`, verify their digest and return their path."""
