"""A registry that is a folder: no server, for tests and for looking inside."""

import fcntl
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import Field

from firstflight.domain.digest import folder_digest
from firstflight.domain.values import Value
from firstflight.domain.versions import ModelVersion
from firstflight.registry.fetch import fetch_verified
from firstflight.registry.lookup import choose


class _Entry(Value):
    version: ModelVersion
    tags: dict[str, str]


class _Index(Value):
    entries: tuple[_Entry, ...] = ()
    aliases: dict[str, int] = Field(default_factory=dict)


class DirectoryRegistry:
    """Keep versions below `folder`: `<model>/index.json` beside `<model>/<number>/` with the files.

    The index is replaced by a rename, after the files are in place; writers exclude each other by
    a lock file, readers need none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def register(self, model: str, variant: str, artifact: Path, tags: Mapping[str, str]) -> ModelVersion:
        """Copy `artifact` in as a new version, or return the one with the same digest, variant and tags."""
        digest = folder_digest(artifact)
        with self._locked(model):
            index = self._index(model)
            for entry in index.entries:
                if (entry.version.digest, entry.version.variant, entry.tags) == (digest, variant, dict(tags)):
                    return entry.version
            version = ModelVersion(model=model, variant=variant, number=len(index.entries) + 1, digest=digest)
            files = self._files(version)
            shutil.rmtree(files, ignore_errors=True)  # left by a writer that died before its index was in place
            shutil.copytree(artifact, files)
            entries = (*index.entries, _Entry(version=version, tags=dict(tags)))
            self._write(model, index.model_copy(update={"entries": entries}))
        return version

    def get(self, model: str, ref: int | str) -> ModelVersion:
        """Return version `ref`: a number or an alias. Raises ModelNotFoundError naming what exists."""
        index = self._index(model)
        return choose(model, ref, [entry.version for entry in index.entries], index.aliases)

    def set_alias(self, version: ModelVersion, alias: str) -> None:
        """Let `alias` name `version`, and no other version of its model."""
        self.get(version.model, version.number)
        with self._locked(version.model):
            index = self._index(version.model)
            self._write(version.model, index.model_copy(update={"aliases": {**index.aliases, alias: version.number}}))

    def versions(self, model: str) -> tuple[ModelVersion, ...]:
        """Return every version of `model`, oldest first; empty when there is none."""
        return tuple(entry.version for entry in self._index(model).entries)

    def tags(self, version: ModelVersion) -> Mapping[str, str]:
        """Return the tags given at registration."""
        found = self.get(version.model, version.number)
        return next(entry.tags for entry in self._index(version.model).entries if entry.version == found)

    def fetch(self, version: ModelVersion, folder: Path) -> Path:
        """Bring the files of `version` to `folder/<served name>`, verify their digest and return that path."""
        kept = self._files(self.get(version.model, version.number))

        def copy(scratch: Path) -> Path:
            return Path(shutil.copytree(kept, scratch / "files")) if kept.is_dir() else scratch

        return fetch_verified(version, folder, copy)

    def _files(self, version: ModelVersion) -> Path:
        return self._folder / version.model / str(version.number)

    def _index(self, model: str) -> _Index:
        path = self._folder / model / "index.json"
        return _Index.model_validate_json(path.read_bytes()) if path.exists() else _Index()

    def _write(self, model: str, index: _Index) -> None:
        home = self._folder / model
        with TemporaryDirectory(dir=home, prefix=".index-") as scratch:
            fresh = Path(scratch) / "index.json"
            fresh.write_text(index.model_dump_json(indent=2) + "\n", encoding="utf-8")
            fresh.replace(home / "index.json")

    @contextmanager
    def _locked(self, model: str) -> Iterator[None]:
        home = self._folder / model
        home.mkdir(parents=True, exist_ok=True)
        with (home / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file closes, also when the process dies
            yield
