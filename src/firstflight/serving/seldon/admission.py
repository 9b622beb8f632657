"""Whether a split may be written to a route: by its token, by what is served, and by who else has the names."""

from firstflight.domain.errors import (
    BackendUnavailableError,
    ModelNotReadyError,
    ServingError,
)
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.versions import ModelVersion
from firstflight.serving.preconditions import (
    Fence,
    refuse_stale,
    refuse_unserved,
)
from firstflight.serving.seldon import experiments, models
from firstflight.serving.seldon.annotations import (
    FENCE,
    change_of,
    fence_of,
    require_ours,
)
from firstflight.serving.seldon.api import FIELD_MANAGER, Api, Outdated
from firstflight.serving.seldon.loading import versions_of
from firstflight.serving.seldon.objects import Object, is_ending, name_of
from firstflight.serving.seldon.resources import API_VERSION, Experiment, Model

TRIES = 8
_FENCE_OWNER = "firstflight-fence"
"""Owns the fence on a Model, so that applying the Model again leaves it."""


class Admission:
    """Refuses what must not be written, and keeps the fence where the next driver finds it."""

    def __init__(self, namespace: str, api: Api) -> None:
        """Keep what is asked."""
        self._namespace = namespace
        self._api = api

    def show(self, route: str, split: TrafficSplit, token: int) -> Object | None:
        """Show the token, and return the Experiment of the route when the split may be written to it.

        Raises:
            StaleTokenError: A higher token was shown before.
            ModelNotLoadedError: The split needs what is not served.
            ModelNotReadyError: It needs what has no live replica.
            ServingError: A name belongs to somebody else.
        """
        for _ in range(TRIES):
            all_models = {name_of(one): one for one in self._api.list(Model.plural)}
            all_experiments = {name_of(one): one for one in self._api.list(Experiment.plural)}
            now = all_experiments.get(route)
            if now is not None:
                require_ours(now, Experiment.kind)
                if is_ending(now):
                    raise BackendUnavailableError(f"{route}: its experiment is being deleted; try again")
            versions = versions_of(list(all_models.values()))
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
