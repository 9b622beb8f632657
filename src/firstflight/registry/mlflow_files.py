"""Files into MLflow and out of it, by its own package; imported when there are some, since that takes seconds."""

from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.artifacts import download_artifacts

from firstflight.registry.mlflow_client import answering, connect
from firstflight.registry.mlflow_model import SERVED, write_mlflow_model


def upload_model(uri: str, experiment: str, name: str, run: str | None, artifact: Path) -> tuple[str, str]:
    """Keep `artifact` as a logged model called `name`, and return its id and its address."""
    client = connect(uri)
    with answering(uri), TemporaryDirectory() as scratch:
        mlflow_model = write_mlflow_model(artifact, Path(scratch))
        logged = client.create_logged_model(experiment, name=name, source_run_id=run, model_type="onnx")
        client.log_model_artifacts(logged.model_id, str(mlflow_model))
        client.finalize_logged_model(logged.model_id, "READY")
    return logged.model_id, logged.model_uri


def upload_folder(uri: str, run: str, folder: Path) -> None:
    """Put the files below `folder` to those of a run."""
    with answering(uri):
        connect(uri).log_artifacts(run, str(folder), folder.name)


def download(uri: str, kept: str, folder: Path) -> Path:
    """Bring the served files of the model at the address `kept` into `folder`, and return where they lie."""
    with answering(uri):
        return Path(download_artifacts(f"{kept}/{SERVED}", dst_path=str(folder), tracking_uri=uri))
