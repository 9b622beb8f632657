"""A backend that serves nobody: for dry runs and for tests of whatever drives a backend."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from pydantic import Field

from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.values import Value
from firstflight.domain.versions import ModelVersion
from firstflight.serving.backend import Tally
from firstflight.serving.refusals import (
    Fence,
    refuse_other_files,
    refuse_other_version,
    refuse_stale,
    refuse_unserved,
    refuse_used,
)
from firstflight.supervision.files import locked, replace


class _State(Value):
    served: dict[str, ModelVersion] = Field(default_factory=dict)
    splits: dict[str, TrafficSplit] = Field(default_factory=dict)
    fences: dict[str, Fence] = Field(default_factory=dict)
    tallies: dict[str, Tally] = Field(default_factory=dict)


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
            state.fences[route] = refuse_stale(route, token, state.fences.get(route))
            refuse_unserved(route, split, state.served)
            state.splits[route] = split
        return split

    def go_home(self, route: str) -> TrafficSplit | None:
        """Send all of `route` to its stable model and refuse the tokens shown so far."""
        with self._changing() as state:
            if (split := state.splits.get(route)) is None:
                return None
            state.fences[route] = state.fences.get(route, Fence()).behind()
            state.splits[route] = TrafficSplit.all_to(split.stable)
            return state.splits[route]

    def evict(self, name: str) -> None:
        """Forget `name`, needed or not."""
        with self._changing() as state:
            state.served.pop(name, None)

    def tallies(self, route: str) -> Mapping[str, Tally]:
        """Return what `count` was told of the models of `route`."""
        state = self._state()
        return {name: state.tallies.get(name, Tally()) for name, one in state.served.items() if one.model == route}

    def count(self, name: str, requests: int, failures: int = 0) -> None:
        """Count requests as a router would: those who play its clients say what they asked."""
        with self._changing() as state:
            known = state.tallies.get(name, Tally())
            state.tallies[name] = Tally(requests=known.requests + requests, failures=known.failures + failures)

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
