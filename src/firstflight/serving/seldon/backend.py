"""Serving on Kubernetes with Seldon Core v2: a Model for each served name, an Experiment for each route."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from firstflight.domain.errors import (
    BackendUnavailableError,
    FieldConflictError,
    ModelNotReadyError,
    ServingError,
    TrafficNotAppliedError,
)
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
from firstflight.serving.seldon import experiments, models
from firstflight.serving.seldon.annotations import (
    FENCE,
    OURS,
    ROUTE,
    Change,
    change_of,
    fence_of,
    is_ours,
    require_ours,
    version_of,
)
from firstflight.serving.seldon.api import FIELD_MANAGER, Api, Outdated
from firstflight.serving.seldon.artifacts import Storage
from firstflight.serving.seldon.configuration import open_api
from firstflight.serving.seldon.counters import Counters
from firstflight.serving.seldon.mesh import Mesh
from firstflight.serving.seldon.objects import Object, is_ending, name_of
from firstflight.serving.seldon.resources import API_VERSION, Experiment, Model
from firstflight.settings import Cluster

log = logging.getLogger(__name__)

_FENCE_OWNER = "firstflight-fence"
"""Owns the fence on a Model, so that applying the Model again leaves it."""
_TRIES = 8
_WATCH_SECONDS = 10
"""Longest watch: a connection that died without a word costs no more."""


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds, and how often to look."""

    model: float = 300.0
    split: float = 60.0
    answer: float = 5.0
    poll: float = 0.5


class SeldonBackend:
    """Models and Experiments of one namespace, and the mesh in front of them.

    Keeps nothing in memory: any number of processes may use one at the same time. What they must not both do is
    guarded by the objects' resourceVersions.
    """

    def __init__(self, settings: Cluster, *, api: Api | None = None, patience: Patience | None = None) -> None:
        """Name the cluster that `settings` and the environment say; nothing is asked yet.

        Raises:
            BackendUnavailableError: No cluster is named.
        """
        self._namespace = settings.namespace
        self._api = api or open_api(settings)
        self._patience = patience or Patience()
        self._mesh = Mesh(settings.mesh_url, self._patience.answer)
        self._counters = Counters(settings.mesh_stats_url, self._patience.answer)
        self._replicas = settings.model_replicas
        self._storage = Storage(settings.artifact_bucket, settings.artifact_remote, settings.artifact_secret)

    def deploy(self, version: ModelVersion, artifact: Path, name: str | None = None) -> None:
        """Upload the artifact, make its Model and wait until it has loaded exactly that."""
        name = name or version.served_name
        refuse_other_files(name, version, artifact)
        present = self._api.get(Model.plural, name)
        if present is not None:
            require_ours(present, Model.kind)
            refuse_other_version(name, version, version_of(present), self._declared())
            if version_of(present) != version or models.is_hopeless(present) or is_ending(present):
                # A new object has no status from before, and never serves an old version beside the new one.
                self._refuse_used(name)
                self._remove(name)
                present = None
        try:
            self._await_model(name, version, present or self._make(name, version, artifact))
        except ModelNotReadyError:
            if not self._users(name):
                self._remove(name)
            raise

    def undeploy(self, name: str) -> None:
        """Delete the Model of `name` and wait until it is gone."""
        present = self._api.get(Model.plural, name)
        if present is not None:
            require_ours(present, Model.kind)
            self._refuse_used(name)
            self._remove(name)

    def is_ready(self, name: str) -> bool:
        """Whether the scheduler says that a replica of `name` is available, and it answers through the mesh."""
        model = self._api.get(Model.plural, name)
        return model is not None and models.is_live(model) and self._mesh.describe(name) is not None

    def served(self) -> frozenset[str]:
        """Names that have a Model of ours."""
        return frozenset(self._versions(self._api.list(Model.plural)))

    def set_traffic(self, route: str, split: TrafficSplit, token: int) -> TrafficSplit:
        """Write the route's Experiment, wait until Seldon has taken that very change, and see that requests follow.

        The last good split is written back when it is refused or does not come true, except on the way home: all to
        the stable model that already has the route is what a mesh does anyway when in doubt.
        """
        now = self._show(route, split, token)
        before = self._known(now) if now else None
        home = before is not None and split == TrafficSplit.all_to(before.stable)
        written = self._write(route, split, token, now, home=home)
        try:
            seen = self._await_split(route, split, written)
            self._await_requests(route, split)
        except TrafficNotAppliedError:
            if not home:
                self._restore(route, token, before)
            raise
        self._settle(route, split, seen)
        if (actual := self.get_traffic(route)) != split:
            raise TrafficNotAppliedError(f"{route}: the experiment carries {actual}, wanted {split}")
        return split

    def go_home(self, route: str) -> TrafficSplit | None:
        """Write all to the default of the route's Experiment, and see that Seldon and requests follow."""
        now = self._api.get(Experiment.plural, route)
        if now is None:
            return None
        written = self._close(route, now)
        home = experiments.declared(written)
        seen = self._await_split(route, home, written)
        self._await_requests(route, home)
        self._settle(route, home, seen)
        return home

    def evict(self, name: str) -> None:
        """Delete the Model of `name` and see that no way leads there: candidates before it in a split go on.

        Raises:
            TrafficNotAppliedError: A way still does: the scheduler, which has to close it, may be away.
        """
        present = self._api.get(Model.plural, name)
        if present is not None:
            require_ours(present, Model.kind)
            self._api.delete(Model.plural, name)
        if self._until_none(lambda: "routed" if self._mesh.is_routed(name) else None, self._patience.split):
            raise TrafficNotAppliedError(f"{name}: its Model is to end, but the mesh still leads there")

    def tallies(self, route: str) -> Mapping[str, RouterTally]:
        """Return what the mesh's Envoys counted of the models of `route`, all of them together."""
        return self._counters.tallies(name_of(one) for one in self._of(route))

    def get_traffic(self, route: str) -> TrafficSplit | None:
        """Return the split that is in force: the Experiment's, or what is left of it while that is not active."""
        experiment = self._api.get(Experiment.plural, route)
        return self._in_force(experiment) if experiment is not None and is_ours(experiment) else None

    def loaded_digest(self, name: str) -> str | None:
        """Return the digest that the model server took of the files it loaded as `name`."""
        model = self._api.get(Model.plural, name)
        if model is None or not is_ours(model):
            return None
        described = self._mesh.describe(name)
        return described.digest if described else None

    def _in_force(self, experiment: Object) -> TrafficSplit:
        if experiments.is_active(experiment):
            return experiments.in_force(experiment, ())
        live = {name_of(one) for one in self._api.list(Model.plural) if models.is_live(one)}
        return experiments.in_force(experiment, live)

    def _known(self, experiment: Object) -> TrafficSplit | None:
        """Return the split in force; the declared one where our notes are spoiled, None where that is spoiled too."""
        try:
            return self._in_force(experiment)
        except ServingError:
            return experiments.readable(experiment)

    def _of(self, route: str) -> list[Object]:
        """Return the Models of versions of `route`, also those that are to end."""
        return self._api.list(Model.plural, {**OURS, ROUTE: route})

    def _versions(self, found: list[Object]) -> dict[str, ModelVersion]:
        versions = {name_of(one): version_of(one) for one in found if not is_ending(one)}
        return {name: version for name, version in versions.items() if version is not None}

    def _declared(self) -> dict[str, TrafficSplit]:
        found = self._api.list(Experiment.plural)
        splits = {name_of(one): experiments.readable(one) for one in found if is_ours(one)}
        return {route: split for route, split in splits.items() if split is not None}

    def _users(self, name: str) -> list[str]:
        return [name_of(one) for one in self._api.list(Experiment.plural) if name in experiments.uses(one)]

    def _refuse_used(self, name: str) -> None:
        refuse_used(name, self._declared())
        if users := self._users(name):
            raise ServingError(f"{name} is in use by experiments {users}, which are not ours; change those first")

    def _make(self, name: str, version: ModelVersion, artifact: Path) -> Object:
        stored = self._storage.put(name, version, artifact)
        return self._api.apply(Model.plural, models.manifest(name, self._namespace, version, stored, self._replicas))

    def _show(self, route: str, split: TrafficSplit, token: int) -> Object | None:
        """Show the token, and return the Experiment of the route when the split may be written to it.

        Raises:
            StaleTokenError: A higher token was shown before.
            ModelNotLoadedError: The split needs what is not served.
            ModelNotReadyError: It needs what has no live replica.
            ServingError: A name belongs to somebody else.
        """
        for _ in range(_TRIES):
            all_models = {name_of(one): one for one in self._api.list(Model.plural)}
            all_experiments = {name_of(one): one for one in self._api.list(Experiment.plural)}
            now = all_experiments.get(route)
            if now is not None:
                require_ours(now, Experiment.kind)
                if is_ending(now):
                    raise BackendUnavailableError(f"{route}: its experiment is being deleted; try again")
            versions = self._versions(list(all_models.values()))
            witnesses = [all_models[name] for name in sorted(versions) if versions[name].model == route]
            shown = [fence_of(one) for one in (*([now] if now else []), *witnesses)]
            known = [one for one in shown if one is not None]
            fence = refuse_stale(route, token, max(known, key=lambda one: (one.token, one.closed), default=None))
            try:
                self._refuse(route, split, versions, all_models, all_experiments)
            except ServingError:
                try:
                    self._keep_fence(fence, now, witnesses)
                except Outdated:
                    continue
                raise
            if now is None:
                try:
                    self._keep_fence(fence, now, witnesses)
                except Outdated:
                    continue
            return now
        raise BackendUnavailableError(f"{route}: others change it all the time; try again")

    def _refuse(
        self,
        route: str,
        split: TrafficSplit,
        versions: dict[str, ModelVersion],
        all_models: dict[str, Object],
        all_experiments: dict[str, Object],
    ) -> None:
        refuse_unserved(route, split, versions)
        now = all_experiments.get(route)
        stays = experiments.default(now) if now else None
        if split == TrafficSplit.all_to(split.stable) and split.stable == stays:
            return  # on the way home nothing is asked of the model: there is no better place
        for name in (*split.weights, *([split.shadow] if split.shadow else [])):
            if not models.is_live(all_models[name]):
                raise ModelNotReadyError(
                    f"{route}: cannot send traffic to {name}, it has no live replica: {models.state(all_models[name])};"
                    " Seldon would send its share to the default without a word"
                )
        for other, experiment in all_experiments.items():
            if other != route and experiments.default(experiment) == split.stable:
                raise ServingError(
                    f"{route}: {split.stable} is the default of experiment {other}, and can be of one only"
                )

    def _keep_fence(self, fence: Fence, now: Object | None, witnesses: list[Object]) -> None:
        """Keep the fence where the next driver finds it: on the Experiment, or before there is one, on a Model."""
        plural, kind, thing, owner = Experiment.plural, Experiment.kind, now, FIELD_MANAGER
        if thing is None:
            if not witnesses:
                return
            plural, kind, thing, owner = Model.plural, Model.kind, witnesses[0], _FENCE_OWNER
        manifest: Object = {
            "apiVersion": API_VERSION,
            "kind": kind,
            "metadata": {
                "name": name_of(thing),
                "namespace": self._namespace,
                "annotations": {FENCE: fence.model_dump_json()},
            },
        }
        if now is not None:
            split = experiments.declared(now)
            manifest = experiments.manifest(name_of(now), self._namespace, split, fence, change_of(now))
        self._api.apply(plural, manifest, version=thing["metadata"]["resourceVersion"], owner=owner)

    def _write(self, route: str, split: TrafficSplit, token: int, now: Object | None, *, home: bool = False) -> Object:
        for _ in range(_TRIES):
            try:
                written = self._apply(route, split, Fence(token=token), now, home=home)
            except Outdated:
                now = self._api.get(Experiment.plural, route)
                self._refuse_overtaken(route, token, now)
            else:
                if now is None:
                    self._refuse_made_too_late(route, token, written)
                return written
        raise BackendUnavailableError(f"{route}: its experiment changes all the time; try again")

    def _refuse_made_too_late(self, route: str, token: int, made: Object) -> None:
        """Refuse what was written as new over the Experiment that a newer driver has made meanwhile.

        Nothing can be asked of an object that is not there yet, so this is seen afterwards, by the fence on a Model:
        the newer driver's split is lost, and the route goes home.
        """
        fences = [fence_of(one) for one in self._of(route)]
        newest = max((one.token for one in fences if one), default=0)
        if newest > token:
            self._close(route, made, newest)
            refuse_stale(route, token, Fence(token=newest))

    def _close(self, route: str, now: Object, token: int = 0) -> Object:
        """Send all of the route to its stable model, whoever drives it, and fence out every token shown so far."""
        for _ in range(_TRIES):
            require_ours(now, Experiment.kind)
            if is_ending(now):
                return self._make_home(route, now)
            if (stable := experiments.default(now)) is None:
                raise TrafficNotAppliedError(
                    f"{route}: somebody else wrote its experiment and it names no default, so nobody is stable"
                )
            try:
                known = fence_of(now) or Fence()
            except ServingError as error:  # going home matters more; the lease keeps its driver out
                log.error("%s: who was fenced out is lost: %s", route, error)  # noqa: TRY400 - the message is the whole story
                known = Fence()
            fence = Fence(token=max(token, known.token)).behind()
            try:
                return self._apply(route, TrafficSplit.all_to(stable), fence, now, home=True)
            except Outdated:
                latest = self._api.get(Experiment.plural, route)
                if latest is None:
                    raise TrafficNotAppliedError(f"{route}: its experiment was deleted by somebody else") from None
                now = latest
        raise BackendUnavailableError(f"{route}: its experiment changes all the time; try again")

    def _make_home(self, route: str, ending: Object) -> Object:
        """Make the Experiment anew that somebody deletes: clients ask its own endpoint, which goes with it."""
        if (stable := experiments.default(ending)) is None:
            raise TrafficNotAppliedError(f"{route}: its experiment is being deleted and names no default")
        if not self._goes(Experiment.plural, ending):
            raise TrafficNotAppliedError(f"{route}: its experiment is being deleted, and does not go; try again")
        fence = (fence_of(ending) or Fence()).behind()
        return self._apply(route, TrafficSplit.all_to(stable), fence, None, home=True)

    def _apply(self, route: str, split: TrafficSplit, fence: Fence, now: Object | None, *, home: bool) -> Object:
        """Write the split to the Experiment as it was read in `now`.

        Raises:
            Outdated: It is another one since.
        """
        change = self._change(now, split)
        wanted = experiments.manifest(route, self._namespace, split, fence, change)
        version = now["metadata"]["resourceVersion"] if now else None
        time.sleep(_rest_of_second(change))
        try:
            return self._api.apply(Experiment.plural, wanted, version=version)
        except FieldConflictError as error:
            if not home:
                raise
            log.warning("%s: on the way home, fields are taken from their owner: %s", route, error)
            return self._api.apply(Experiment.plural, wanted, version=version, force=True)

    def _change(self, now: Object | None, split: TrafficSplit) -> Change | None:
        """Return what is to be remembered of changing to `split`."""
        if now is None:
            return Change()
        if experiments.readable(now) == split:
            with suppress(ServingError):  # somebody wrote over it
                return change_of(now)  # one that nobody has seen accepted yet stays so
            return None
        return Change(since=experiments.transition(now), before=self._known(now))

    def _refuse_overtaken(self, route: str, token: int, now: Object | None) -> None:
        if now is not None:
            require_ours(now, Experiment.kind)
            refuse_stale(route, token, fence_of(now))

    def _await_split(self, route: str, split: TrafficSplit, written: Object) -> Object:
        """Follow the Experiment until Seldon has taken the change, and return it as it then is.

        Raises:
            TrafficNotAppliedError: It was rejected, or was not taken in time.
        """
        change, refused = change_of(written), experiments.rejection(written)
        generation, seen, unready = written["metadata"]["generation"], written, False
        for latest in self._follow(Experiment.plural, route, written, self._patience.split):
            if latest is None:
                raise TrafficNotAppliedError(f"{route}: its experiment was deleted by somebody else")
            seen = latest
            if seen["metadata"]["generation"] != generation:
                raise TrafficNotAppliedError(f"{route}: somebody else changed its experiment, wanted {split}")
            found = experiments.rejection(seen)
            if found is not None and found != refused:
                raise TrafficNotAppliedError(
                    f"{route}: Seldon rejects {split}: {found.get('reason') or found.get('message')}"
                )
            if experiments.is_active(seen) and (change is None or unready or experiments.accepted(seen, change)):
                return seen
            unready = unready or not experiments.is_active(seen)
        raise TrafficNotAppliedError(
            f"{route}: Seldon has not taken {split} after {self._patience.split:.0f} s: {experiments.state(seen)}"
        )

    def _await_requests(self, route: str, split: TrafficSplit) -> None:
        """Ask until requests go as the split says: Seldon is ready before its Envoy is."""
        fault = self._until_none(lambda: self._mesh.fault(route, split), self._patience.split)
        if fault is not None:
            raise TrafficNotAppliedError(f"{route}: Seldon reports {split}, but {fault}")

    def _settle(self, route: str, split: TrafficSplit, seen: Object) -> None:
        """Write down that the change was seen accepted."""
        fence = fence_of(seen)
        for _ in range(_TRIES):
            if fence is None or change_of(seen) is None:
                return
            wanted = experiments.manifest(route, self._namespace, split, fence, None)
            try:
                self._api.apply(Experiment.plural, wanted, version=seen["metadata"]["resourceVersion"])
            except Outdated:
                latest = self._api.get(Experiment.plural, route)
                if latest is None or experiments.readable(latest) != split or fence_of(latest) != fence:
                    self._refuse_overtaken(route, fence.token, latest)
                    raise TrafficNotAppliedError(f"{route}: somebody else changed its experiment") from None
                seen = latest
            else:
                return
        raise BackendUnavailableError(f"{route}: its experiment changes all the time; try again")

    def _restore(self, route: str, token: int, before: TrafficSplit | None) -> None:
        for _ in range(_TRIES):
            now = self._api.get(Experiment.plural, route)
            self._refuse_overtaken(route, token, now)
            if now is None:
                return
            if before is not None:
                self._write(route, before, token, now)
                return
            with suppress(Outdated):
                self._api.delete(Experiment.plural, route, version=now["metadata"]["resourceVersion"])
                return
        raise BackendUnavailableError(f"{route}: its experiment changes all the time; try again")

    def _await_model(self, name: str, version: ModelVersion, made: Object) -> None:
        seen = made
        if not models.is_live(made):
            for latest in self._follow(Model.plural, name, made, self._patience.model):
                if latest is None:
                    raise ModelNotReadyError(f"{name} ({version}): its Model was deleted by somebody else")
                seen = latest
                if models.is_live(seen):
                    break
                if models.is_hopeless(seen):
                    raise ModelNotReadyError(f"{name} ({version}) cannot be loaded: {models.state(seen)}")
            else:
                raise ModelNotReadyError(
                    f"{name} ({version}) not ready after {self._patience.model:.0f} s: {models.state(seen)}"
                )

        def fault() -> str | None:
            described = self._mesh.describe(name)
            return None if described and described.digest == version.digest else f"loaded {described}"

        if (found := self._until_none(fault, self._patience.split)) is not None:
            raise ModelNotReadyError(f"{name}: {found} by what the mesh answers, wanted {version.digest} of {version}")

    def _remove(self, name: str) -> None:
        self._api.delete(Model.plural, name)
        ending = self._api.get(Model.plural, name)
        if ending is not None and not self._goes(Model.plural, ending):
            raise BackendUnavailableError(f"{name} does not go: Seldon has not finished with it; try again")

    def _goes(self, plural: str, ending: Object) -> bool:
        """Wait for the object's end, and say whether it came: there is none of its name, or another."""
        uid = ending["metadata"].get("uid")
        return any(
            latest is None or latest["metadata"].get("uid") != uid
            for latest in self._follow(plural, name_of(ending), ending, self._patience.split)
        )

    def _until_none(self, fault: Callable[[], str | None], seconds: float) -> str | None:
        """Return None once there is no fault, else the last one at the deadline."""
        deadline = time.monotonic() + seconds
        while (found := fault()) is not None:
            if time.monotonic() > deadline:
                return found
            time.sleep(self._patience.poll)
        return None

    def _follow(self, plural: str, name: str, begin: Object, seconds: float) -> Iterator[Object | None]:
        """Yield the object now, after each change, and at the end of the time; None when there is none.

        A watch that breaks, or that asks for what the API has forgotten, is begun anew from what is there then.
        """
        deadline = time.monotonic() + seconds
        latest: Object | None = begin
        yield begin
        while latest is not None and (left := deadline - time.monotonic()) > 0:
            version = latest["metadata"]["resourceVersion"]
            with suppress(Outdated):
                for latest in self._api.watch(plural, name, version, math.ceil(min(left, _WATCH_SECONDS))):
                    yield latest
            time.sleep(self._patience.poll)
            latest = self._api.get(plural, name)
            yield latest


def _rest_of_second(change: Change | None) -> float:
    """Return the seconds until a transition has another time than the one before the change.

    The API's times have whole seconds. Two transitions in one could not be told apart by a driver that was away.
    """
    if change is None or change.since is None:
        return 0.0
    left = (datetime.fromisoformat(change.since) - datetime.now(UTC)).total_seconds() + 1
    return min(1.0, max(0.0, left))
