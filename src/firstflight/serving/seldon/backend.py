"""Serving on Kubernetes with Seldon Core v2: a Model for each served name, an Experiment for each route."""

from collections.abc import Mapping
from pathlib import Path

from firstflight.domain.errors import (
    BackendUnavailableError,
    ModelNotReadyError,
    ServingError,
    SplitPendingError,
    TrafficNotAppliedError,
)
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.versions import ModelVersion
from firstflight.serving.backend import RouterTally
from firstflight.serving.preconditions import (
    refuse_other_files,
    refuse_other_version,
    refuse_used,
)
from firstflight.serving.seldon import experiments, models
from firstflight.serving.seldon.admission import TRIES, Admission
from firstflight.serving.seldon.annotations import (
    is_ours,
    require_ours,
    version_of,
)
from firstflight.serving.seldon.api import Api
from firstflight.serving.seldon.configuration import open_api
from firstflight.serving.seldon.counters import Counters
from firstflight.serving.seldon.following import Following, Patience
from firstflight.serving.seldon.loading import CameTooEarly, Loading, versions_of
from firstflight.serving.seldon.mesh import Mesh
from firstflight.serving.seldon.objects import Object, is_ending, name_of
from firstflight.serving.seldon.resources import Experiment, Model
from firstflight.serving.seldon.routes import Routes
from firstflight.settings import Cluster


class SeldonBackend:
    """Models and Experiments of one namespace, and the mesh in front of them.

    Keeps nothing in memory: any number of processes may use one at the same time. What they must not both do is
    guarded by the objects' resourceVersions.
    """

    bounds_itself = True
    reads_router = False

    def __init__(self, settings: Cluster, *, api: Api | None = None, patience: Patience | None = None) -> None:
        """Name the cluster that `settings` and the environment say; nothing is asked yet.

        Raises:
            BackendUnavailableError: No cluster is named.
        """
        self._api = api or open_api(settings)
        self._patience = patience or Patience()
        self._mesh = Mesh(settings.mesh_url, self._patience.answer)
        self._counters = Counters(settings.mesh_stats_url, self._patience.answer)
        self._following = Following(self._api, self._patience)
        self._loading = Loading(settings, self._api, self._mesh, self._following, self._patience)
        self._admission = Admission(settings.namespace, self._api)
        self._routes = Routes(settings.namespace, self._api, self._mesh, self._following, self._patience)

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
                self._loading.remove(name)
                present = None
        try:
            self._load(name, version, artifact, present)
        except ModelNotReadyError:
            if not self._users(name):
                self._loading.remove(name)
            raise

    def _load(self, name: str, version: ModelVersion, artifact: Path, present: Object | None) -> None:
        """Wait for the Model that is present, or for a new one, which the scheduler may not take at first."""
        for _ in range(TRIES):
            try:
                return self._loading.await_model(name, version, present or self._loading.make(name, version, artifact))
            except CameTooEarly:
                self._loading.remove(name)
                present = None
        raise ModelNotReadyError(
            f"{name} ({version}): Seldon's scheduler is still ending another of that name; try again"
        )

    def undeploy(self, name: str) -> None:
        """Delete the Model of `name` and wait until it is gone."""
        present = self._api.get(Model.plural, name)
        if present is not None:
            require_ours(present, Model.kind)
            self._refuse_used(name)
        self._loading.remove(name)

    def is_ready(self, name: str) -> bool:
        """Whether a replica of `name` is available by the scheduler, and says itself that it is ready."""
        model = self._api.get(Model.plural, name)
        return model is not None and models.is_live(model) and self._mesh.is_ready(name)

    def served(self) -> frozenset[str]:
        """Names that have a Model of ours."""
        return frozenset(versions_of(self._api.list(Model.plural)))

    def stables(self) -> Mapping[str, str]:
        """Return the stable model of each route of ours."""
        return {route: split.stable for route, split in self._declared().items()}

    def revive(self, name: str) -> None:
        """Do nothing: the probes of its pod have Kubernetes start a server again that does not answer."""

    def set_traffic(self, route: str, split: TrafficSplit, token: int) -> TrafficSplit:
        """Write the route's Experiment, and see that requests follow.

        The last good split is written back when it is refused or does not come true, except on the way home: all to
        the stable model that already has the route is what a mesh does anyway when in doubt.
        """
        now = self._admission.show(route, split, token)
        home = now is not None and self._routes.is_home(now, split)
        before = self._routes.known(now) if now and not home else None
        home = home or (before is not None and split == TrafficSplit.all_to(before.stable))
        written = self._routes.write(route, split, token, now, home=home)
        try:
            seen = self._routes.confirm(
                route, split, written, self._patience.home if home else self._patience.split, home=home
            )
        except TrafficNotAppliedError:
            if not home:
                self._routes.restore(route, token, before)
            raise
        self._routes.settle(route, split, seen)
        return split

    def go_home(self, route: str) -> TrafficSplit | None:
        """Write all to the default of the route's Experiment, and see that requests follow.

        Whoever is away, the API or the scheduler, is waited for by whoever asks: a Model that is deleted meanwhile
        would stay loaded and routed, and nobody could end it.
        """
        try:
            now = self._api.get(Experiment.plural, route)
            if now is None:
                return None
            written = self._routes.close(route, now)
            home = experiments.declared(written)
            self._routes.settle(route, home, self._routes.confirm(route, home, written, self._patience.home, home=True))
        except BackendUnavailableError as error:
            raise SplitPendingError(f"{route}: not seen to be home yet; {error}") from error
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
        if self._following.until_none(lambda: "routed" if self._mesh.is_routed(name) else None, self._patience.split):
            raise TrafficNotAppliedError(f"{name}: its Model is to end, but the mesh still leads there")

    def get_traffic(self, route: str) -> TrafficSplit | None:
        """Return the split that is in force: the Experiment's, or what is left of it while that is not active."""
        return self._routes.get_traffic(route)

    def tallies(self, route: str) -> Mapping[str, RouterTally]:
        """Return what the mesh's Envoys counted of the models of `route`, all of them together."""
        return self._counters.tallies(name_of(one) for one in self._loading.of(route))

    def loaded_digest(self, name: str) -> str | None:
        """Return the digest that the model server took of the files it loaded as `name`."""
        model = self._api.get(Model.plural, name)
        if model is None or not is_ours(model):
            return None
        described = self._mesh.describe(name)
        return described.digest if described else None

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
