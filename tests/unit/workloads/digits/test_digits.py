"""Scanned digits: trained by scikit-learn, judged, registered and asked, without torch."""

import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import yaml

from firstflight.acts.register import register
from firstflight.domain.digest import folder_digest
from firstflight.domain.errors import InvalidPlanError
from firstflight.domain.plans import TrainingPlan
from firstflight.registry.memory import MemoryRegistry
from firstflight.settings import Settings
from firstflight.workloads.digits.data import load_digits
from firstflight.workloads.digits.gate import judge
from firstflight.workloads.find import filled, find
from firstflight.workloads.tracking import MemoryTracker
from firstflight.workloads.workload import TrainedModel, Training
from tests.conftest import ROOT

DIGITS = find("digits")
PLAN = filled(TrainingPlan(workload="digits", max_epochs=4))


def trained(folder: Path, plan: TrainingPlan = PLAN, tracker: MemoryTracker | None = None) -> tuple[TrainedModel, ...]:
    """Train below `folder`."""
    return DIGITS.train(plan, Training(Settings(), folder, tracker or MemoryTracker(), commit="abc"))


@pytest.fixture(scope="module")
def tracker() -> MemoryTracker:
    """Return where the runs of `models` are."""
    return MemoryTracker()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory, tracker: MemoryTracker) -> tuple[TrainedModel, ...]:
    """Train both variants once."""
    return trained(tmp_path_factory.mktemp("digits"), tracker=tracker)


def test_both_variants_are_trained_and_judged(models: tuple[TrainedModel, ...], tracker: MemoryTracker) -> None:
    """In the plan's order, the boosted one as reference of the logistic one, which costs less; runs are closed."""
    assert ["boosted", "logistic"] == [one.variant for one in models]
    assert [1, 3] == [len(one.gate.reasons) for one in models]
    boosted, logistic = (one.parameters for one in models)
    assert 650 == logistic < boosted
    assert all(0.5 < float(str(one.validation["accuracy"])) < 1 for one in models)
    assert {"logistic": False, "boosted": False} == {run.name: run.failed for run in tracker.runs}
    assert {"validation_accuracy", "test_log_loss", "gate_passed"} <= set(tracker.runs[0].figures)


def test_what_is_registered_is_an_mlflow_model(models: tuple[TrainedModel, ...]) -> None:
    """With a signature, an input example, pinned requirements and a card, under the digest of equal training."""
    registry = MemoryRegistry()
    version = register(registry, models[0]).version
    assert ("digits", "boosted", folder_digest(models[0].artifact)) == (version.model, version.variant, version.digest)
    assert "digits" == registry.tags(version)["workload"]
    described = yaml.safe_load((models[0].artifact / "MLmodel").read_text())
    assert {"python_function", "sklearn"} == set(described["flavors"])
    assert all("[-1, " in described["signature"][side] for side in ("inputs", "outputs"))
    assert (models[0].artifact / described["saved_input_example_info"]["artifact_path"]).is_file()
    pins = (models[0].artifact / "requirements.txt").read_text().splitlines()
    assert ["mlflow-skinny", "numpy", "pandas", "scikit-learn"] == sorted(pin.partition("==")[0] for pin in pins)
    assert all(reason in (models[0].artifact / "model_card.md").read_text() for reason in models[0].gate.reasons)


def test_it_answers_with_the_probabilities_of_ten_digits(models: tuple[TrainedModel, ...]) -> None:
    """MLflow loads it, and the score understands what it says."""
    import mlflow.pyfunc  # noqa: PLC0415 - as long as all other tests of this file

    question = next(DIGITS.questions(Settings()))
    [answer] = mlflow.pyfunc.load_model(str(models[0].artifact)).predict(question.inputs["input"])
    told = DIGITS.score(answer.tolist(), question.truth, question.payoff)
    assert {metric.name for metric in DIGITS.metrics} == set(told)
    assert told["accuracy"] == float(np.argmax(answer) == question.truth)


def test_equal_training_gives_equal_files(models: tuple[TrainedModel, ...], tmp_path: Path) -> None:
    """Neither the moment nor a random name is in them; another number of rounds gives others."""
    again = trained(tmp_path / "again", PLAN.model_copy(update={"variants": ("boosted",)}))
    other = trained(tmp_path / "other", PLAN.model_copy(update={"variants": ("boosted",), "max_epochs": 2}))
    assert folder_digest(models[0].artifact) == folder_digest(again[0].artifact)
    assert folder_digest(models[0].artifact) != folder_digest(other[0].artifact)


def test_the_last_writers_are_held_out() -> None:
    """Each scan is in one part, and questions are of the test part, each with the digit that it shows."""
    digits = load_digits()
    assert [1078, 359, 360] == [len(part.shown) for part in (digits.train, digits.validation, digits.test)]
    assert np.array_equal(digits.train.scans[-1000:], load_digits(1000).train.scans)
    asked = list(islice(DIGITS.questions(Settings()), 5))
    assert digits.test.shown[:5].tolist() == [question.truth for question in asked]
    assert {(1, 64)} == {question.inputs["input"].shape for question in asked}
    assert 5 == len({question.unit for question in asked})


def test_data_of_one_s_own_is_refused(tmp_path: Path) -> None:
    """There is none that would be understood."""
    with pytest.raises(InvalidPlanError, match=r"no data but scikit-learn's; leave out data 'mine\.csv'"):
        trained(tmp_path, PLAN.model_copy(update={"data": "mine.csv"}))
    with pytest.raises(InvalidPlanError, match=r"leave out data 'mine\.csv'"):
        next(DIGITS.questions(Settings(), "mine.csv"))


@pytest.mark.parametrize(
    ("accuracy", "log_loss", "refusals"),
    [
        (0.9, 0.3, []),
        (0.851, 0.449, []),
        (0.84, 0.3, ["accuracy 0.8400 is worse than the reference's 0.9000 by 0.0600, allowed 0.05"]),
        (0.9, 0.46, ["log loss 0.4600 is worse than the reference's 0.3000 by 0.1600, allowed 0.15"]),
    ],
)
def test_a_candidate_may_be_a_little_worse_than_the_reference(
    accuracy: float, log_loss: float, refusals: list[str]
) -> None:
    """By the stated margins, and no more; the reason has the figures."""
    reference = {"accuracy": 0.9, "log_loss": 0.3, "commonest": 0.11}
    found = judge({"accuracy": accuracy, "log_loss": log_loss, "commonest": 0.11}, reference)
    assert [f"refused: {why}" for why in refusals] == [why for why in found.reasons if why.startswith("refused")]
    assert found.passed is not bool(refusals)


def test_who_always_says_the_commonest_digit_is_refused() -> None:
    """Without a reference too."""
    found = judge({"accuracy": 0.11, "log_loss": 2.3, "commonest": 0.11}, None)
    assert (False, ("refused: accuracy 0.1100 is not above 0.1100, the commonest digit's",)) == (
        found.passed,
        found.reasons,
    )


def test_who_asks_which_variants_there_are_waits_for_nothing() -> None:
    """Neither scikit-learn nor numpy; that nothing here imports torch is an import rule."""
    code = (
        "import sys; from firstflight.workloads.find import find; find('digits').variants;"
        "print({'mlflow', 'numpy', 'sklearn', 'torch'} & set(sys.modules))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=True
    )
    assert "set()\n" == found.stdout
