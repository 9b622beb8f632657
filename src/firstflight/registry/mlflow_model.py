"""An artifact folder as an MLflow model: its signature, an input example, and a way to load it.

The files are kept as they are, below `data/served`; MLflow's own description stands beside them.
`mlflow.pyfunc.load_model("models:/<model>@champion").predict({"features": windows})` gives the
probabilities, so that a registered version can be tried without a server.
"""

import json
import logging
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

with warnings.catch_warnings():
    # While it is imported, MLflow describes its own chat types and warns about their type hints.
    warnings.filterwarnings("ignore", message=".*Any type hint is inferred as AnyType", category=UserWarning)
    import mlflow.pyfunc
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

SERVED = "data/served"
"""Where the registered files lie in the MLflow model."""

DATATYPES: Mapping[str, np.dtype[Any]] = {"FP32": np.dtype(np.float32), "FP64": np.dtype(np.float64)}
"""Names of the Open Inference Protocol."""


def write_mlflow_model(artifact: Path, folder: Path) -> Path:
    """Write the MLflow model of `artifact` below the empty `folder` and return its path.

    `model.json` of the artifact describes the tensors: `inputs` and `outputs`, each with `name`,
    `datatype`, `shape` (-1 for the batch), and `example`, one input.
    """
    description = json.loads((artifact / "model.json").read_text(encoding="utf-8"))
    served = shutil.copytree(artifact, folder / Path(SERVED).name)
    first = description["inputs"][0]
    path = folder / "model"
    logging.getLogger("mlflow").setLevel(logging.ERROR)  # what it has to say of this environment is of no other use
    mlflow.pyfunc.save_model(
        path=path,
        loader_module=__name__,
        data_path=served,
        signature=ModelSignature(_schema(description["inputs"]), _schema(description["outputs"])),
        input_example={first["name"]: np.asarray([description["example"]], dtype=DATATYPES[first["datatype"]])},
        pip_requirements=[f"onnxruntime=={onnxruntime.__version__}"],
    )
    return path


def _schema(tensors: list[Mapping[str, Any]]) -> Schema:
    return Schema([TensorSpec(DATATYPES[t["datatype"]], tuple(t["shape"]), t["name"]) for t in tensors])


class _Session:
    def __init__(self, path: Path) -> None:
        self._session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def predict(self, tensors: Mapping[str, Any], params: Mapping[str, Any] | None = None) -> dict[str, Any]:  # noqa: ARG002 MLflow's signature
        names = [output.name for output in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, dict(tensors)), strict=True))


def _load_pyfunc(path: str) -> _Session:
    """Load the served files below `path`; MLflow calls this."""
    return _Session(Path(path) / "model.onnx")
