"""A workload that regresses, made of two functions: the protocol is no wrapper about classes."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from firstflight.domain.errors import TrainingFailedError
from firstflight.domain.plans import TrainingPlan
from firstflight.settings import Settings
from firstflight.workloads.find import filled, find
from firstflight.workloads.one_by_one import Fitted, one_by_one
from firstflight.workloads.scores import SQUARED_ERROR, squared_error
from firstflight.workloads.tracking import MemoryTracker
from firstflight.workloads.workload import Evaluation, GateResult, TrainedModel, Training, Workload

MEASURES = {"constant": 0, "mass": 1, "all": 10}
"""How many of its measures each variant looks at; body mass stands third in the table."""


def fit(variant: str, plan: TrainingPlan, folder: Path) -> Fitted:
    """Fit the progress of diabetes in a year by least squares, the first 300 patients for the other 142."""
    from sklearn.datasets import load_diabetes  # noqa: PLC0415 - a second

    if plan.max_rows == 10**6:
        raise TrainingFailedError("there are not so many patients")
    table, progress = load_diabetes(return_X_y=True)
    columns = {"constant": [], "mass": [2], "all": list(range(10))}[variant]
    seen = np.column_stack([np.ones(len(table)), table[:, columns]])
    weights = np.linalg.lstsq(seen[:300], progress[:300], rcond=None)[0]
    folder.mkdir(parents=True)
    (folder / "weights.json").write_text(json.dumps(weights.tolist()))
    errors = (seen @ weights - progress) ** 2
    figures = [{"squared_error": float(errors[part].mean())} for part in (slice(300, 371), slice(371, None))]
    return Fitted(figures[0], figures[1], "sha256:0", "Progress of diabetes in a year, by least squares.")


def judge(candidate: Evaluation, reference: Evaluation | None) -> GateResult:
    """Nobody may err more than the reference."""
    ours = float(str(candidate["squared_error"]))
    theirs = float(str(reference["squared_error"])) if reference else float("inf")
    return GateResult(passed=ours <= theirs, reasons=(f"squared error {ours:.0f}, the reference's {theirs:.0f}",))


DIABETES = Workload(
    name=f"{__name__}:DIABETES",
    metrics=(SQUARED_ERROR,),
    score=squared_error,
    model="diabetes",
    variants=tuple(MEASURES),
    reference="mass",
    weights={"mass": 50, "all": 50},
    trains=one_by_one("mass", fit, judge),
)


def trained(
    folder: Path, tracker: MemoryTracker, reference: Mapping[str, float] | None = None, **changes: object
) -> tuple[TrainedModel, ...]:
    """Train by a plan that names the workload of this module."""
    plan = filled(TrainingPlan.model_validate({"workload": DIABETES.name, **changes}))
    training = Training(Settings(), folder, tracker, commit="abc", reference=reference)
    return find(plan.workload).train(plan, training)


def test_a_workload_that_regresses_is_two_functions(tmp_path: Path) -> None:
    """Its variants are judged against the reference, which is not first in the plan, and told in the plan's order."""
    tracker = MemoryTracker()
    found = trained(tmp_path, tracker)
    assert [("constant", False), ("mass", True), ("all", True)] == [(one.variant, one.gate.passed) for one in found]
    assert ["mass", "constant", "all"] == [run.name for run in tracker.runs]
    assert {"diabetes"} == {one.model for one in found}
    assert ["validation squared_error", "test squared_error"] == list(found[0].shown)
    assert "refused" == found[0].tags["gate"]
    assert DIABETES.name == found[0].tags["workload"]
    assert found[0].gate.reasons[0] in (found[0].artifact / "model_card.md").read_text()
    assert {"squared_error": 25.0} == DIABETES.score(105.0, 100.0, None)


def test_a_reference_that_was_trained_elsewhere_judges_too(tmp_path: Path) -> None:
    """As when each variant has a run of its own."""
    [alone] = trained(tmp_path, MemoryTracker(), {"squared_error": 1.0}, variants=["all"])
    assert (False, "the reference's 1") == (alone.gate.passed, alone.gate.reasons[0].partition(", ")[2])


def test_a_failure_closes_its_run_as_failed(tmp_path: Path) -> None:
    """What comes after it is not begun."""
    tracker = MemoryTracker()
    with pytest.raises(TrainingFailedError, match="not so many patients"):
        trained(tmp_path, tracker, max_rows=10**6)
    assert [("mass", True)] == [(run.name, run.failed) for run in tracker.runs]
