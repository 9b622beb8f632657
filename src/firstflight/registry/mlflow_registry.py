"""The registry of the stack: MLflow's model registry over REST."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion as Registered
from mlflow.exceptions import RestException

from firstflight.domain.digest import folder_digest
from firstflight.domain.versions import ModelVersion
from firstflight.registry.fetch import fetch_verified
from firstflight.registry.lookup import choose
from firstflight.registry.mlflow_client import answering, connect, experiment_id
from firstflight.registry.mlflow_model import SERVED, write_mlflow_model

VARIANT = "firstflight.variant"
DIGEST = "firstflight.digest"
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
        self._uri = tracking_uri
        self._client = connect(tracking_uri)

    def register(self, model: str, variant: str, artifact: Path, tags: Mapping[str, str]) -> ModelVersion:
        """Upload `artifact` as a new version, or return the one with the same digest, variant and tags.

        The folder's `model.json` becomes the signature and the input example, its `model_card.md`
        the description. The tag `mlflow_run` links the version to the run that trained it.
        """
        digest = folder_digest(artifact)
        given = {**tags, VARIANT: variant, DIGEST: digest}
        with answering(self._uri), TemporaryDirectory() as scratch:
            for known in self._registered(model):
                if known.tags == given:
                    return _version(known)
            self._create_model(model)
            mlflow_model = write_mlflow_model(artifact, Path(scratch))
            run = tags.get(RUN)
            logged = self._client.create_logged_model(
                experiment_id(self._client, model), name=variant, source_run_id=run, model_type="onnx"
            )
            self._client.log_model_artifacts(logged.model_id, str(mlflow_model))
            self._client.finalize_logged_model(logged.model_id, "READY")
            created = self._client.create_model_version(
                model,
                source=logged.model_uri,
                run_id=run,
                tags=given,
                description=_description(artifact),
                model_id=logged.model_id,
                await_creation_for=0,  # the server answers when the version is ready
            )
        return _version(created)

    def get(self, model: str, ref: int | str) -> ModelVersion:
        """Return version `ref`: a number or an alias. Raises ModelNotFoundError naming what exists."""
        with answering(self._uri):
            versions = [_version(known) for known in self._registered(model)]
            aliases = {}
            if versions:
                named = self._client.get_registered_model(model).aliases
                aliases = {alias: int(number) for alias, number in named.items()}
        return choose(model, ref, versions, aliases)

    def set_alias(self, version: ModelVersion, alias: str) -> None:
        """Let `alias` name `version`, and no other version of its model."""
        self.get(version.model, version.number)
        with answering(self._uri):
            self._client.set_registered_model_alias(version.model, alias, str(version.number))

    def versions(self, model: str) -> tuple[ModelVersion, ...]:
        """Return every version of `model`, oldest first; empty when there is none."""
        with answering(self._uri):
            return tuple(_version(known) for known in self._registered(model))

    def tags(self, version: ModelVersion) -> Mapping[str, str]:
        """Return the tags given at registration."""
        self.get(version.model, version.number)
        with answering(self._uri):
            found = self._client.get_model_version(version.model, str(version.number)).tags
        return {name: value for name, value in found.items() if name not in {VARIANT, DIGEST}}

    def fetch(self, version: ModelVersion, folder: Path) -> Path:
        """Bring the files of `version` to `folder/<served name>`, verify their digest and return that path."""
        self.get(version.model, version.number)

        def download(scratch: Path) -> Path:
            with answering(self._uri):
                kept = self._client.get_model_version_download_uri(version.model, str(version.number))
                return Path(download_artifacts(f"{kept}/{SERVED}", dst_path=str(scratch), tracking_uri=self._uri))

        return fetch_verified(version, folder, download)

    def _registered(self, model: str) -> list[Registered]:
        """Return the versions this registry made, oldest first; what others put there is not ours to serve."""
        found: list[Registered] = []
        token = None
        while True:
            page = self._client.search_model_versions(f"name='{model}'", max_results=200, page_token=token)
            found += [known for known in page if DIGEST in known.tags]
            token = page.token
            if not token:
                return sorted(found, key=lambda known: int(known.version))

    def _create_model(self, model: str) -> None:
        try:
            self._client.create_registered_model(model)
        except RestException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


def _version(registered: Registered) -> ModelVersion:
    return ModelVersion(
        model=registered.name,
        variant=registered.tags[VARIANT],
        number=int(registered.version),
        digest=registered.tags[DIGEST],
    )


def _description(artifact: Path) -> str | None:
    card = artifact / CARD
    if not card.exists():
        return None
    text = card.read_text(encoding="utf-8")
    pointer = f"\n\n… cut here; the whole card is {CARD} of the version's files"
    return text if len(text) <= DESCRIPTION_LIMIT else text[: DESCRIPTION_LIMIT - len(pointer)] + pointer
