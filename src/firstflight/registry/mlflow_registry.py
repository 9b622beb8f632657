"""The registry of the stack: MLflow's model registry over REST."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firstflight.domain.digest import folder_digest
from firstflight.domain.errors import RegistryRefusedError
from firstflight.domain.versions import MLFLOW_FILE, ModelVersion
from firstflight.registry.fetch import fetch_verified
from firstflight.registry.lookup import choose
from firstflight.registry.mlflow_rest import MlflowRest, named

VARIANT = "firstflight.variant"
DIGEST = "firstflight.digest"
LAYOUT = "firstflight.layout"
"""Tag of a version whose files are an MLflow model by themselves; without, they lie within one of ours."""
AS_IT_IS = "mlflow"
_OWN = {VARIANT, DIGEST, LAYOUT}
RUN = "mlflow_run"
"""Tag that links a version to the run that trained it."""

CARD = "model_card.md"
DESCRIPTION_LIMIT = 5000
"""Characters that MLflow's database keeps of a description."""


class MlflowRegistry:
    """One registered model per `model`, one version per artifact; variant and digest are tags of it.

    Every method raises RegistryUnavailableError when MLflow does not answer.
    """

    def __init__(self, tracking_uri: str) -> None:
        self._rest = MlflowRest(tracking_uri)

    def register(self, model: str, variant: str, artifact: Path, tags: Mapping[str, str]) -> ModelVersion:
        """Upload `artifact` as a new version, or return the one with the same digest, variant and tags.

        An MLflow model is kept as it is. Of another folder `model.json` becomes the signature and the input example.
        `model_card.md` becomes the description. The tag `mlflow_run` links the version to the run that trained it.
        """
        digest = folder_digest(artifact)
        given = {**tags, VARIANT: variant, DIGEST: digest}
        if (artifact / MLFLOW_FILE).is_file():
            given[LAYOUT] = AS_IT_IS
        versions = self._registered(model)
        for known in versions:
            if _tags(known) == given:
                return _version(known)
        if not versions:  # a refusal would be an error in the log of MLflow's database, each time
            self._create_model(model)
        from firstflight.registry.mlflow_files import upload_model  # noqa: PLC0415 - see there

        run = tags.get(RUN)
        logged, source = upload_model(self._rest.uri, self._rest.make_experiment(model), variant, run, artifact)
        created = self._rest.post(
            "model-versions/create",
            name=model,
            source=source,
            run_id=run,
            tags=named(given),
            description=_description(artifact),
            model_id=logged,
        )
        return _version(created["model_version"])

    def get(self, model: str, ref: int | str) -> ModelVersion:
        """Return version `ref`: a number or an alias. Raises ModelNotFoundError naming what exists."""
        versions = self.versions(model)
        return choose(model, ref, versions, self.aliases(model) if versions else {})

    def aliases(self, model: str) -> Mapping[str, int]:
        """Return the number that each alias of `model` names, of versions that others put there too."""
        try:
            found = self._rest.get("registered-models/get", name=model)["registered_model"]
        except RegistryRefusedError as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}
        return {one["alias"]: int(one["version"]) for one in found.get("aliases", [])}

    def set_alias(self, version: ModelVersion, alias: str) -> None:
        """Let `alias` name `version`, and no other version of its model."""
        self.get(version.model, version.number)
        self._rest.post("registered-models/alias", name=version.model, alias=alias, version=str(version.number))

    def versions(self, model: str) -> tuple[ModelVersion, ...]:
        """Return every version of `model`, oldest first; empty when there is none."""
        return tuple(_version(known) for known in self._registered(model))

    def tags(self, version: ModelVersion) -> Mapping[str, str]:
        """Return the tags given at registration."""
        self.get(version.model, version.number)
        found = self._rest.get("model-versions/get", name=version.model, version=version.number)["model_version"]
        return {name: value for name, value in _tags(found).items() if name not in _OWN}

    def fetch(self, version: ModelVersion, folder: Path) -> Path:
        """Bring the files of `version` to `folder/<served name>`, verify their digest and return that path."""
        self.get(version.model, version.number)
        asked = {"name": version.model, "version": version.number}
        kept = str(self._rest.get("model-versions/get-download-uri", **asked)["artifact_uri"])
        found = self._rest.get("model-versions/get", **asked)["model_version"]
        whole = _tags(found).get(LAYOUT) == AS_IT_IS

        def download(scratch: Path) -> Path:
            from firstflight.registry.mlflow_files import download as bring  # noqa: PLC0415 - see there

            return bring(self._rest.uri, kept, scratch, whole=whole)

        return fetch_verified(version, folder, download)

    def _registered(self, model: str) -> list[dict[str, Any]]:
        """Return the versions this registry made, oldest first; what others put there is not ours to serve."""
        listed = self._rest.pages("model-versions/search", "model_versions", filter=f"name='{model}'")
        return sorted((known for known in listed if DIGEST in _tags(known)), key=lambda known: int(known["version"]))

    def _create_model(self, model: str) -> None:
        try:
            self._rest.post("registered-models/create", name=model)
        except RegistryRefusedError as error:
            if error.code != "RESOURCE_ALREADY_EXISTS":
                raise


def _tags(registered: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in registered.get("tags", [])}


def _version(registered: Mapping[str, Any]) -> ModelVersion:
    tags = _tags(registered)
    return ModelVersion(
        model=registered["name"], variant=tags[VARIANT], number=int(registered["version"]), digest=tags[DIGEST]
    )


def _description(artifact: Path) -> str | None:
    card = artifact / CARD
    if not card.exists():
        return None
    text = card.read_text(encoding="utf-8")
    pointer = f"\n\n… cut here; the whole card is {CARD} of the version's files"
    return text if len(text) <= DESCRIPTION_LIMIT else text[: DESCRIPTION_LIMIT - len(pointer)] + pointer
