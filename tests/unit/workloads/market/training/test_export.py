"""The folder that is served."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from firstflight.domain.errors import TrainingFailedError
from firstflight.domain.plans import TrainingPlan
from firstflight.workloads.market.features.dataset import Dataset
from firstflight.workloads.market.features.transform import Transform
from firstflight.workloads.market.training import export as module
from firstflight.workloads.market.training.evaluation import Evaluation, evaluate
from firstflight.workloads.market.training.export import export
from firstflight.workloads.market.training.fit import Fitted, fit, predict
from firstflight.workloads.market.training.trained import Origin
from firstflight.workloads.market.training.variants import VARIANTS

ORIGIN = Origin(
    model="m",
    variant="lightweight",
    seed=7,
    training_data_hash="sha256:" + "1" * 64,
    git_commit="abc",
    weights_digest="sha256:" + "2" * 64,
)


@pytest.fixture
def fitted(learnable: Dataset) -> Fitted:
    """A network after one epoch."""
    return fit(VARIANTS["lightweight"], learnable, TrainingPlan(max_epochs=1), lambda _: None)


@pytest.fixture
def evaluation(learnable: Dataset, fitted: Fitted) -> Evaluation:
    """Its figures."""
    return evaluate(predict(fitted.network, learnable.test.x), learnable.test, 0.5)


def test_the_exported_network_answers_alike(
    tmp_path: Path, learnable: Dataset, fitted: Fitted, evaluation: Evaluation
) -> None:
    """ONNX gives the trained network's probabilities, for one window and for many."""
    folder = export(tmp_path / "a", ORIGIN, fitted, learnable, validation=evaluation, test=evaluation)
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    for x in (learnable.test.x[:1], learnable.test.x):
        (answer,) = session.run(["probability_up"], {"features": x})
        np.testing.assert_allclose(answer, predict(fitted.network, x), atol=1e-6)


def test_the_folder_describes_itself(
    tmp_path: Path, learnable: Dataset, fitted: Fitted, evaluation: Evaluation
) -> None:
    """Tensors, origin, figures and transform are read back from the files."""
    folder = export(tmp_path / "a", ORIGIN, fitted, learnable, validation=evaluation, test=evaluation)
    described = json.loads((folder / "model.json").read_text())
    assert {"model.onnx", "transform.json", "model.json"} == {path.name for path in folder.iterdir()}
    assert [{"name": "features", "datatype": "FP32", "shape": [-1, 10, 8]}] == described["inputs"]
    assert [{"name": "probability_up", "datatype": "FP32", "shape": [-1]}] == described["outputs"]
    assert ORIGIN == Origin.model_validate({name: described[name] for name in Origin.model_fields})
    assert evaluation == Evaluation.model_validate(described["metrics"]["test"])
    assert learnable.transform == Transform.from_json((folder / "transform.json").read_text())
    np.testing.assert_array_equal(np.asarray(described["example"], np.float32), learnable.validation.x[0])


def test_equal_training_gives_equal_files(
    tmp_path: Path, learnable: Dataset, fitted: Fitted, evaluation: Evaluation
) -> None:
    """Nothing in the folder depends on time or place."""
    first, again = (
        export(tmp_path / name, ORIGIN, fitted, learnable, validation=evaluation, test=evaluation) for name in "ab"
    )
    assert {path.name: path.read_bytes() for path in first.iterdir()} == {
        path.name: path.read_bytes() for path in again.iterdir()
    }


def test_a_network_that_answers_otherwise_is_not_exported(
    tmp_path: Path, learnable: Dataset, fitted: Fitted, evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the tolerance (here none) the export fails and says by how much."""
    monkeypatch.setattr(module, "TOLERANCE", 0.0)
    with pytest.raises(TrainingFailedError, match="exported network is off by up to"):
        export(tmp_path / "a", ORIGIN, fitted, learnable, validation=evaluation, test=evaluation)
