"""Files into MLflow and out of it, by its own package; imported when there are some, since that takes seconds."""

import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts

from firstflight.domain.errors import ModelNotFoundError, RegistryRefusedError
from firstflight.domain.versions import MLFLOW_FILE
from firstflight.registry.mlflow_client import answering, connect
from firstflight.registry.mlflow_model import SERVED, write_mlflow_model

_MISSING = {"RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"}


def upload_model(uri: str, experiment: str, name: str, run: str | None, artifact: Path) -> tuple[str, str]:
    """Keep `artifact` as a logged model called `name`, and return its id and its address."""
    client = connect(uri)
    with answering(uri), TemporaryDirectory() as scratch:
        is_one = (artifact / MLFLOW_FILE).is_file()
        mlflow_model = artifact if is_one else write_mlflow_model(artifact, Path(scratch))
        kind = "adopted" if is_one else "onnx"
        logged = client.create_logged_model(experiment, name=name, source_run_id=run, model_type=kind)
        client.log_model_artifacts(logged.model_id, str(mlflow_model))
        client.finalize_logged_model(logged.model_id, "READY")
    return logged.model_id, logged.model_uri


def upload_folder(uri: str, run: str, folder: Path) -> None:
    """Put the files below `folder` to those of a run."""
    with answering(uri):
        connect(uri).log_artifacts(run, str(folder), folder.name)


def download(uri: str, kept: str, folder: Path, *, whole: bool) -> Path:
    """Bring the served files of the model at the address `kept` into `folder`, and return where they lie.

    Those are all of its files where it is served `whole`.
    """
    with answering(uri):
        return Path(download_artifacts(kept if whole else f"{kept}/{SERVED}", dst_path=str(folder), tracking_uri=uri))


def fetch_model(uri: str, address: str, folder: Path) -> Path:
    """Bring the MLflow model at `address`, a folder or one of MLflow's URIs, below the empty `folder`; return where.

    Raises:
        ModelNotFoundError: There is none.
        RegistryUnavailableError: MLflow at `uri` does not answer.
        RegistryRefusedError: It does not take the address.
    """
    if (given := Path(address)).is_dir():
        brought = Path(shutil.copytree(given, folder / "model"))
    else:
        try:
            with answering(uri):
                kept = _kept(connect(uri), address)
                brought = Path(download_artifacts(kept, dst_path=str(folder), tracking_uri=uri))
        except RegistryRefusedError as error:
            if error.code not in _MISSING:
                raise
            raise ModelNotFoundError(f"no model at {address}: {error}; nor is it a folder here") from error
    (brought / "registered_model_meta").unlink(missing_ok=True)  # MLflow's own note of whence it was downloaded
    return brought


def _kept(client: MlflowClient, address: str) -> str:
    """Return where the files of a registered version lie; MLflow itself would look in a registry of its own choice."""
    found = re.fullmatch(r"models:/([^/@]+)(?:/(\d+)|@(.+))", address)
    if found is None:
        return address
    model, number, alias = found.groups()
    number = number or client.get_model_version_by_alias(model, alias).version
    return str(client.get_model_version_download_uri(model, number))
