"""Training of one variant as a whole, in this process."""

import json
from pathlib import Path

import pytest

from firstflight.domain.errors import TrainingFailedError
from firstflight.domain.plans import TrainingPlan
from firstflight.workloads.market.data.market import Market
from firstflight.workloads.market.features.dataset import Dataset
from firstflight.workloads.market.training.evaluation import Evaluation
from firstflight.workloads.market.training.recording import tracked
from firstflight.workloads.market.training.train import train_variant
from firstflight.workloads.market.training.trained import TrainedVariant
from firstflight.workloads.tracking import MemoryTracker

PLAN = TrainingPlan(max_epochs=2)


def test_one_call_leaves_everything_behind(tmp_path: Path, invented_market: Market) -> None:
    """Files, figures, gate, card and a closed run in the tracker, all about the same model."""
    tracker = MemoryTracker()
    trained = train_variant(PLAN, "lightweight", invented_market, tmp_path, tracker, commit="abc")
    (run,) = tracker.runs
    assert {"model.onnx", "transform.json", "model.json", "model_card.md"} == {
        path.name for path in trained.artifact.iterdir()
    }
    assert ("financial-predictor", "lightweight", False) == (run.experiment, run.name, run.failed)
    assert {1, 2} == set(run.epochs)
    assert {"train_loss", "validation_loss", "validation_auc"} == set(run.epochs[1])
    assert trained.test.scores.auc == run.figures["test_auc"]
    assert [trained.artifact] == run.folders
    assert ("7", "32") == (run.parameters["seed"], run.parameters["hidden"])
    assert trained.training_data_hash == run.tags["training_data_hash"] == trained.tags["training_data_hash"]
    card = (trained.artifact / "model_card.md").read_text()
    assert trained.training_data_hash in card
    assert all(reason in card for reason in trained.gate.reasons)
    assert "invented for a test" in card


def test_what_was_trained_travels_as_json(tmp_path: Path, invented_market: Market) -> None:
    """The frozen value comes back equal from its own JSON."""
    trained = train_variant(PLAN, "lightweight", invented_market, tmp_path, MemoryTracker(), commit="abc")
    assert trained == TrainedVariant.model_validate(json.loads(trained.model_dump_json()))
    assert "mlflow_run" not in trained.tags
    assert "run-1" == trained.model_copy(update={"run": "run-1"}).tags["mlflow_run"]


def test_a_reference_makes_the_gate_compare(tmp_path: Path, invented_market: Market, make_evaluation: object) -> None:
    """Against a reference that is far better, the candidate is refused and registered as such."""
    assert callable(make_evaluation)
    reference: Evaluation = make_evaluation(auc=0.99, mcc=0.9, brier=0.05, sharpe=9.0)
    trained = train_variant(
        PLAN, "lightweight", invented_market, tmp_path, MemoryTracker(), commit="abc", reference=reference
    )
    assert "refused" == trained.tags["gate"]
    assert 6 == len(trained.gate.reasons)


def test_a_failed_training_closes_its_run_as_failed(learnable: Dataset) -> None:
    """The tracker knows that a run failed, and the error goes on to the caller."""
    tracker = MemoryTracker()
    with (
        pytest.raises(TrainingFailedError, match="broke"),
        tracked(tracker, PLAN, "baseline", learnable.digest, "abc"),
    ):
        raise TrainingFailedError("it broke")
    assert tracker.runs[0].failed is True
