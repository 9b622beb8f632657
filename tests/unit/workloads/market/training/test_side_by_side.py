"""Training in processes of their own."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from firstflight.domain.errors import TrainingFailedError
from firstflight.domain.plans import TrainingPlan
from firstflight.workloads.market.data.market import Market
from firstflight.workloads.market.features.dataset import Dataset
from firstflight.workloads.market.training import side_by_side
from firstflight.workloads.market.training.side_by_side import train_side_by_side
from firstflight.workloads.market.training.train import train_variant
from firstflight.workloads.market.training.variants import VARIANTS
from firstflight.workloads.tracking import MemoryTracker


def test_three_variants_train_as_they_would_alone(tmp_path: Path, invented_market: Market) -> None:
    """Side by side, in order, with progress; the weights are those of training alone in this process."""
    plan, tracker = TrainingPlan(max_epochs=1, variants=tuple(VARIANTS)), MemoryTracker()
    seen: list[tuple[str, int]] = []
    trained = train_side_by_side(
        plan,
        invented_market,
        tmp_path / "together",
        tracker,
        commit="abc",
        on_epoch=lambda variant, epoch: seen.append((variant, epoch.number)),
    )
    assert plan.variants == tuple(one.variant for one in trained)
    assert {(variant, 1) for variant in plan.variants} == set(seen)
    assert dict.fromkeys(plan.variants, False) == {run.name: run.failed for run in tracker.runs}
    assert [2, 6, 6] == [len(one.gate.reasons) for one in trained]  # baseline is the reference of the others
    assert "| enhanced |" in (trained[0].artifact / "model_card.md").read_text()
    alone = train_variant(plan, "lightweight", invented_market, tmp_path / "alone", MemoryTracker(), commit="abc")
    assert alone.weights_digest == trained[2].weights_digest
    assert (alone.artifact / "model.json").read_bytes() == (trained[2].artifact / "model.json").read_bytes()


def test_a_failure_in_a_process_is_told_in_its_words(
    tmp_path: Path, invented_market: Market, learnable: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed inside comes out as the same error, and every run is closed as failed."""
    x = np.full_like(learnable.train.x, np.nan)
    broken = replace(learnable, train=replace(learnable.train, x=x))
    monkeypatch.setattr(side_by_side, "build_dataset", lambda *_: broken)
    tracker = MemoryTracker()
    with pytest.raises(TrainingFailedError, match="epoch 1 has training loss nan"):
        train_side_by_side(TrainingPlan(variants=("lightweight",)), invented_market, tmp_path, tracker, commit="abc")
    assert [True] == [run.failed for run in tracker.runs]


def test_a_process_that_dies_is_told_with_its_last_words(
    tmp_path: Path, invented_market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A death without a result names exit code, log and the end of the log."""
    monkeypatch.setattr(side_by_side, "ENVIRONMENT", {"PYTHONHASHSEED": "no number"})
    with pytest.raises(
        TrainingFailedError, match=r"lightweight: its process ended with code 1 .*\.log:\n.*PYTHONHASHSEED"
    ):
        train_side_by_side(
            TrainingPlan(variants=("lightweight",)), invented_market, tmp_path, MemoryTracker(), commit="abc"
        )


def test_the_caller_needs_no_torch() -> None:
    """Whoever starts the training processes is spared the import of torch, and its memory."""
    code = "import sys, firstflight.workloads.market.training.side_by_side; print('torch' in sys.modules)"
    home = str(Path(side_by_side.__file__).parents[4])
    found = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": home}, capture_output=True, text=True, check=True
    )
    assert "False\n" == found.stdout
