"""A backend that serves nobody: for dry runs and for tests of whatever drives a backend."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import Field

from firstflight.serving.files import locked, replace
from firstflight.serving.refusals import (
    refuse_other_files,
    refuse_other_version,
    refuse_stale,
    refuse_unserved,
    refuse_used,
)
from firstflight.traffic import TrafficSplit
from firstflight.values import Value
from firstflight.versions import ModelVersion


class _State(Value):
    served: dict[str, ModelVersion] = Field(default_factory=dict)
    splits: dict[str, TrafficSplit] = Field(default_factory=dict)
    tokens: dict[str, int] = Field(default_factory=dict)


class MemoryBackend:
    """Keeps what it is told and refuses what a real backend refuses.

    The state lives in `file`: it outlives the process and is shared by all that name the same file.
    """

    def __init__(self, file: Path) -> None:
        """Go on with the state in `file`, or begin with nothing."""
        self._file = file

    def deploy(self, version: ModelVersion, artifact: Path, name: str | None = None) -> None:
        """Serve `version` when its folder holds a model and has the version's digest."""
        name = name or version.served_name
        refuse_other_files(name, version, artifact)
        with self._changing() as state:
            refuse_other_version(name, version, state.served.get(name), state.splits)
            state.served[name] = version

    def undeploy(self, name: str) -> None:
        """Forget `name`."""
        with self._changing() as state:
            refuse_used(name, state.splits)
            state.served.pop(name, None)

    def is_ready(self, name: str) -> bool:
        """Whether `name` is served."""
        return name in self._state().served

    def served(self) -> frozenset[str]:
        """Names that are deployed."""
        return frozenset(self._state().served)

    def set_traffic(self, route: str, split: TrafficSplit, token: int) -> TrafficSplit:
        """Keep the split of `route`."""
        with self._changing() as state:
            refuse_stale(route, token, state.tokens.get(route))
            state.tokens[route] = token
            refuse_unserved(route, split, state.served)
            state.splits[route] = split
        return split

    def get_traffic(self, route: str) -> TrafficSplit | None:
        """Return the split kept for `route`."""
        return self._state().splits.get(route)

    def loaded_digest(self, name: str) -> str | None:
        """Return the digest of the folder `name` was deployed from."""
        version = self._state().served.get(name)
        return version.digest if version else None

    def _state(self) -> _State:
        if not self._file.exists():
            return _State()
        return _State.model_validate_json(self._file.read_text(encoding="utf-8"))

    @contextmanager
    def _changing(self) -> Iterator[_State]:
        with locked(self._file.with_suffix(".lock")):
            state = self._state()
            try:
                yield state
            finally:  # a refused driver's token still counts
                replace(self._file, state.model_dump_json())
