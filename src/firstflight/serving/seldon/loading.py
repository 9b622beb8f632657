"""Models: one for each served name, made, loaded and removed."""

import logging
from pathlib import Path

from firstflight.domain.errors import (
    BackendUnavailableError,
    ModelNotReadyError,
)
from firstflight.domain.versions import ModelVersion
from firstflight.serving.seldon import models
from firstflight.serving.seldon.annotations import (
    OURS,
    ROUTE,
    version_of,
)
from firstflight.serving.seldon.api import Api
from firstflight.serving.seldon.artifacts import Storage
from firstflight.serving.seldon.following import Following, Patience
from firstflight.serving.seldon.mesh import Mesh
from firstflight.serving.seldon.objects import Object, is_ending, name_of
from firstflight.serving.seldon.resources import Model
from firstflight.settings import Cluster


class CameTooEarly(Exception):  # noqa: N818 - never leaves this package: make the Model again
    """A Model whose name another one still had; it will never load."""


log = logging.getLogger(__name__)


class Loading:
    """The Models of a namespace, as versions that are loaded and ended."""

    def __init__(self, settings: Cluster, api: Api, mesh: Mesh, following: Following, patience: Patience) -> None:
        """Keep where artifacts go and who says what is loaded."""
        self._namespace = settings.namespace
        self._api = api
        self._mesh = mesh
        self._following = following
        self._patience = patience
        self._replicas = settings.model_replicas
        self._storage = Storage(settings.artifact_bucket, settings.artifact_remote, settings.artifact_secret)

    def of(self, route: str) -> list[Object]:
        """Return the Models of versions of `route`, also those that are to end."""
        return self._api.list(Model.plural, {**OURS, ROUTE: route})

    def make(self, name: str, version: ModelVersion, artifact: Path) -> Object:
        """Upload the artifact and write the Model that loads it."""
        stored = self._storage.put(name, version, artifact)
        return self._api.apply(Model.plural, models.manifest(name, self._namespace, version, stored, self._replicas))

    def await_model(self, name: str, version: ModelVersion, made: Object) -> None:
        """Wait until the Model has loaded exactly the version's files.

        Raises:
            ModelNotReadyError: It cannot, did not in time, or loaded something else.
            CameTooEarly: The scheduler was still ending one of the same name.
        """
        seen = made
        if not models.is_live(made):
            for latest in self._following.follow(Model.plural, name, made, self._patience.model):
                if latest is None:
                    raise ModelNotReadyError(f"{name} ({version}): its Model was deleted by somebody else")
                seen = latest
                if models.is_live(seen):
                    break
                if models.came_too_early(seen):
                    raise CameTooEarly(name)
                if models.is_hopeless(seen):
                    raise ModelNotReadyError(f"{name} ({version}) cannot be loaded: {models.state(seen)}")
            else:
                raise ModelNotReadyError(
                    f"{name} ({version}) not ready after {self._patience.model:.0f} s: {models.state(seen)}"
                )

        def fault() -> str | None:
            described = self._mesh.describe(name)
            return None if described and described.digest == version.digest else f"loaded {described}"

        if (found := self._following.until_none(fault, self._patience.split)) is not None:
            raise ModelNotReadyError(f"{name}: {found} by what the mesh answers, wanted {version.digest} of {version}")

    def remove(self, name: str) -> None:
        """Delete the Model and wait until it is gone, and no way leads there.

        Raises:
            BackendUnavailableError: It does not go.
        """
        self._delete(name)
        if self._leads_there(name, self._patience.events):
            # Deleted while the scheduler had just come back, it is gone from the API, and loaded and routed for good.
            log.warning(
                "%s: gone, and still loaded: made and deleted once more, so that the scheduler unloads it", name
            )
            made = self._api.apply(Model.plural, models.husk(name, self._namespace))
            for seen in self._following.follow(Model.plural, name, made, self._patience.split):
                if seen is None or models.is_hopeless(seen):  # the scheduler knows the name again
                    break
            self._delete(name)
            if self._leads_there(name, self._patience.split):
                raise BackendUnavailableError(f"{name}: its Model is gone, but the mesh still leads there; try again")

    def _leads_there(self, name: str, seconds: float) -> bool:
        routed = self._following.until_none(lambda: "routed" if self._mesh.is_routed(name) else None, seconds)
        return routed is not None

    def _delete(self, name: str) -> None:
        self._api.delete(Model.plural, name)
        ending = self._api.get(Model.plural, name)
        if ending is not None and not self._following.goes(Model.plural, ending):
            raise BackendUnavailableError(
                f"{name} does not go: Seldon's operator and scheduler have not let go of its Model after"
                f" {self._patience.split:.0f} s; are both up? Its end is asked for, and comes once they are"
            )


def versions_of(found: list[Object]) -> dict[str, ModelVersion]:
    """Return the version of each Model of ours that is not to end, by its name."""
    versions = {name_of(one): version_of(one) for one in found if not is_ending(one)}
    return {name: version for name, version in versions.items() if version is not None}
