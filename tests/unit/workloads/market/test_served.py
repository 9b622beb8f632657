"""A registered folder of the market, loaded without a server."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from firstflight.domain.errors import InvalidDataError, ServingError, UnanswerableError
from firstflight.domain.tensors import Declared, Tensor
from firstflight.serving.runtime.loading import load
from firstflight.workloads.market.features.indicators import feature_names
from firstflight.workloads.market.features.transform import Transform
from firstflight.workloads.market.served import ServedModel
from tests.serving_bench import artifact, history


def loaded(folder: Path) -> ServedModel:
    """What the runtime makes of a folder of the market."""
    model = load(folder, None)
    assert isinstance(model, ServedModel)
    return model


def test_a_batch_gets_a_probability_each(tmp_path: Path) -> None:
    """History [B, ROWS, 6] in, [B] out, with the digest of what was loaded."""
    version = artifact(tmp_path / "model", 1, says=0.25)
    model = loaded(tmp_path / "model")
    assert [0.25, 0.25, 0.25] == model.probability_up(history(batch=3)).tolist()
    assert version.digest == model.digest
    assert "baseline" == model.variant
    assert (Declared("history", "FP64", (-1, 70, 6)),) == model.inputs
    question = model.read([Tensor("history", "FP64", (2, 70, 6), history(batch=2).ravel().tolist())])
    answer = model.answer(question)
    assert (Tensor("probability_up", "FP64", (2,), [0.25, 0.25]),) == answer
    assert "0.250000" == model.said(answer)


def test_a_bad_history_is_refused_with_its_faults(tmp_path: Path) -> None:
    """The transform's own guard speaks."""
    artifact(tmp_path / "model", 1)
    bad = history()
    bad[0, 3, 3] = np.nan
    with pytest.raises(InvalidDataError, match="close holds NaN"):
        loaded(tmp_path / "model").probability_up(bad)


def test_a_network_that_answers_in_another_shape_does_not_load(tmp_path: Path) -> None:
    """One that returns the features would otherwise fail at the first request."""
    artifact(tmp_path / "model", 1)
    network = onnx.load(tmp_path / "model" / "model.onnx")
    network.graph.node[0].attribute[0].i = 1  # keepdims
    onnx.save(network, tmp_path / "model" / "model.onnx")
    with pytest.raises(ServingError, match=r"answers \(1, 1, 1\)"):
        loaded(tmp_path / "model")


def test_a_transform_of_other_features_does_not_load(tmp_path: Path) -> None:
    """Transform and network belong together; a mix-up is found before the first request."""
    artifact(tmp_path / "model", 1)
    raw = np.random.default_rng(1).normal(size=(50, len(feature_names(("price",)))))
    other = Transform.fit(raw, ("price",), "vix")
    (tmp_path / "model" / "transform.json").write_text(other.to_json(), encoding="utf-8")
    with pytest.raises(ServingError, match="cannot answer"):
        loaded(tmp_path / "model")


@pytest.mark.parametrize("says", [1.58, -0.01, float("nan"), float("inf")])
def test_what_no_probability_can_be_is_not_answered(tmp_path: Path, says: float) -> None:
    """It loads, since only a request shows it, and then fails as the model's fault."""
    artifact(tmp_path / "model", 1, says=says)
    with pytest.raises(ServingError, match="must be"):
        loaded(tmp_path / "model").probability_up(history())


def test_a_history_too_extreme_to_compute_with_is_the_clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Features that are not finite are refused before the network can be blamed for them."""
    artifact(tmp_path / "model", 1)
    model = loaded(tmp_path / "model")
    monkeypatch.setattr(Transform, "apply", lambda *_: np.full((1, 10, 3), np.nan, dtype=np.float32))
    with pytest.raises(InvalidDataError, match="too extreme"):
        model.probability_up(history())
    with pytest.raises(UnanswerableError, match="too extreme"):
        model.answer(history())
