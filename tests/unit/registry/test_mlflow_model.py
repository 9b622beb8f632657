"""An artifact as MLflow sees it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest

from firstflight.registry.mlflow_model import SERVED, mlflow, write_mlflow_model  # imported there without its warnings
from tests.conftest import ROOT


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """A served folder whose network answers the mean of each window."""
    folder = tmp_path / "artifact"
    folder.mkdir()
    tensor = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("ReduceMean", ["features"], ["probability_up"], axes=[1, 2], keepdims=0)],
        "mean",
        [tensor("features", onnx.TensorProto.FLOAT, ["batch", 2, 1])],
        [tensor("probability_up", onnx.TensorProto.FLOAT, ["batch"])],
    )
    network = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    (folder / "model.onnx").write_bytes(network.SerializeToString())
    description = {
        "inputs": [{"name": "features", "datatype": "FP32", "shape": [-1, 2, 1]}],
        "outputs": [{"name": "probability_up", "datatype": "FP32", "shape": [-1]}],
        "example": [[0.25], [0.75]],
    }
    (folder / "model.json").write_text(json.dumps(description))
    return folder


def test_mlflow_loads_it_and_knows_its_tensors(artifact: Path, tmp_path: Path) -> None:
    """MLflow's own loader gives the probabilities; signature and example are those of model.json."""
    (tmp_path / "scratch").mkdir()
    loaded = mlflow.pyfunc.load_model(str(write_mlflow_model(artifact, tmp_path / "scratch")))
    (tensor,) = loaded.metadata.signature.inputs
    assert ("features", np.dtype("float32"), (-1, 2, 1)) == (tensor.name, tensor.type, tensor.shape)
    assert [0.5] == loaded.predict(loaded.input_example)["probability_up"].tolist()


def test_the_served_files_are_kept_as_they_are(artifact: Path, tmp_path: Path) -> None:
    """Below data/served lie the very files that will be served."""
    (tmp_path / "scratch").mkdir()
    kept = write_mlflow_model(artifact, tmp_path / "scratch") / SERVED
    assert {path.name: path.read_bytes() for path in artifact.iterdir()} == {
        path.name: path.read_bytes() for path in kept.iterdir()
    }


def test_nothing_is_said_on_a_terminal(artifact: Path, tmp_path: Path) -> None:
    """MLflow has hints about the environment that it is called in, and no other will ever be served from it."""
    script = "import sys, pathlib; from firstflight.registry.mlflow_model import write_mlflow_model as write; "
    call = "write(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))"
    (tmp_path / "scratch").mkdir()
    words = [sys.executable, "-c", script + call, str(artifact), str(tmp_path / "scratch")]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env={"PYTHONPATH": "src"}, cwd=ROOT)
    assert ("", "") == (done.stdout, done.stderr)


def test_an_artifact_that_does_not_describe_itself_is_refused(artifact: Path, tmp_path: Path) -> None:
    """Without model.json there is no signature, and no model."""
    (artifact / "model.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"model\.json"):
        write_mlflow_model(artifact, tmp_path)
