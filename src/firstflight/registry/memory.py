"""A registry in memory, for tests."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from firstflight.domain.digest import folder_digest
from firstflight.domain.versions import ModelVersion
from firstflight.registry.fetch import fetch_verified
from firstflight.registry.lookup import choose


@dataclass(frozen=True)
class _Entry:
    version: ModelVersion
    tags: dict[str, str]
    files: dict[Path, bytes]


class MemoryRegistry:
    """Versions of this process, with their files."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._entries: defaultdict[str, list[_Entry]] = defaultdict(list)
        self._aliases: defaultdict[str, dict[str, int]] = defaultdict(dict)

    def register(self, model: str, variant: str, artifact: Path, tags: Mapping[str, str]) -> ModelVersion:
        """Keep `artifact` as a new version, or return the one with the same digest, variant and tags."""
        digest, entries = folder_digest(artifact), self._entries[model]
        for entry in entries:
            if (entry.version.digest, entry.version.variant, entry.tags) == (digest, variant, dict(tags)):
                return entry.version
        version = ModelVersion(model=model, variant=variant, number=len(entries) + 1, digest=digest)
        files = {path.relative_to(artifact): path.read_bytes() for path in artifact.rglob("*") if path.is_file()}
        entries.append(_Entry(version, dict(tags), files))
        return version

    def get(self, model: str, ref: int | str) -> ModelVersion:
        """Return version `ref`: a number or an alias. Raises ModelNotFoundError naming what exists."""
        return choose(model, ref, self.versions(model), self._aliases[model])

    def set_alias(self, version: ModelVersion, alias: str) -> None:
        """Let `alias` name `version`, and no other version of its model."""
        self._aliases[version.model][alias] = self.get(version.model, version.number).number

    def aliases(self, model: str) -> Mapping[str, int]:
        """Return the number that each alias of `model` names."""
        return dict(self._aliases[model])

    def versions(self, model: str) -> tuple[ModelVersion, ...]:
        """Return every version of `model`, oldest first; empty when there is none."""
        return tuple(entry.version for entry in self._entries[model])

    def tags(self, version: ModelVersion) -> Mapping[str, str]:
        """Return the tags given at registration."""
        return self._entry(version).tags

    def fetch(self, version: ModelVersion, folder: Path) -> Path:
        """Bring the files of `version` to `folder/<served name>`, verify their digest and return that path."""
        entry = self._entry(version)

        def write(scratch: Path) -> Path:
            for name, content in entry.files.items():
                path = scratch / "files" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            return scratch / "files"

        return fetch_verified(version, folder, write)

    def _entry(self, version: ModelVersion) -> _Entry:
        return self._entries[version.model][self.get(version.model, version.number).number - 1]
