"""A backend that serves nobody: for tests of whatever drives a backend."""

from collections.abc import Mapping
from pathlib import Path

from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.versions import ModelVersion
from firstflight.serving.backend import RouterTally
from firstflight.serving.preconditions import (
    Fence,
    refuse_other_files,
    refuse_other_version,
    refuse_stale,
    refuse_unserved,
    refuse_used,
)


class MemoryBackend:
    """Keeps what it is told and refuses what a real backend refuses.

    `versions` are served, by served name; `splits` and `fences` are those of the routes; those in `dead` are served
    and do not answer.
    """

    bounds_itself = False
    reads_router = False

    def __init__(self) -> None:
        """Begin with nothing."""
        self.versions: dict[str, ModelVersion] = {}
        self.splits: dict[str, TrafficSplit] = {}
        self.fences: dict[str, Fence] = {}
        self.dead: set[str] = set()
        self._counted: dict[str, RouterTally] = {}

    def deploy(self, version: ModelVersion, artifact: Path, name: str | None = None) -> None:
        """Serve `version` when its folder holds a model and has the version's digest."""
        name = name or version.served_name
        refuse_other_files(name, version, artifact)
        refuse_other_version(name, version, self.versions.get(name), self.splits)
        self.versions[name] = version

    def undeploy(self, name: str) -> None:
        """Forget `name`."""
        refuse_used(name, self.splits)
        self.versions.pop(name, None)

    def is_ready(self, name: str) -> bool:
        """Whether `name` is served and alive."""
        return name in self.versions and name not in self.dead

    def served(self) -> frozenset[str]:
        """Names that are deployed."""
        return frozenset(self.versions)

    def stables(self) -> Mapping[str, str]:
        """Return the stable model of each route that is still deployed."""
        return {route: split.stable for route, split in self.splits.items() if split.stable in self.versions}

    def revive(self, name: str) -> None:
        """Let `name` answer again."""
        self.dead.discard(name)

    def set_traffic(self, route: str, split: TrafficSplit, token: int) -> TrafficSplit:
        """Keep the split of `route`; a refused driver's token still counts."""
        self.fences[route] = refuse_stale(route, token, self.fences.get(route))
        refuse_unserved(route, split, self.versions)
        self.put(route, split)
        return split

    def go_home(self, route: str) -> TrafficSplit | None:
        """Send all of `route` to its stable model and refuse the tokens shown so far."""
        if (split := self.splits.get(route)) is None:
            return None
        self.fences[route] = self.fences.get(route, Fence()).behind()
        self.put(route, TrafficSplit.all_to(split.stable))
        return self.splits[route]

    def put(self, route: str, split: TrafficSplit) -> None:
        """Let `split` be in force, whoever wants it."""
        self.splits[route] = split

    def evict(self, name: str) -> None:
        """Forget `name`, needed or not."""
        self.versions.pop(name, None)

    def tallies(self, route: str) -> Mapping[str, RouterTally]:
        """Return what `count` was told of the models of `route`."""
        return {
            name: self._counted.get(name, RouterTally()) for name, one in self.versions.items() if one.model == route
        }

    def count(self, name: str, requests: int, failures: int = 0, chosen: int = 0) -> None:
        """Count requests as a router would: those who play its clients say what they asked, and whom they chose."""
        known = self._counted.get(name, RouterTally())
        self._counted[name] = RouterTally(
            requests=known.requests + requests, failures=known.failures + failures, chosen=known.chosen + chosen
        )

    def get_traffic(self, route: str) -> TrafficSplit | None:
        """Return the split kept for `route`."""
        return self.splits.get(route)

    def loaded_digest(self, name: str) -> str | None:
        """Return the digest of what `name` was deployed from, when it answers."""
        return self.versions[name].digest if self.is_ready(name) else None
