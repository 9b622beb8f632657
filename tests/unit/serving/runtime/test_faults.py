"""Faults for drills."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firstflight.domain.faults import Fault
from firstflight.domain.tensors import Tensor
from firstflight.serving.runtime.faults import Drill, inverted, read_fault
from tests.serving_bench import artifact


def test_a_sound_model_has_no_fault(tmp_path: Path) -> None:
    """No file, no fault."""
    artifact(tmp_path / "model", 1)
    assert read_fault(tmp_path / "model") is None


def test_a_fault_is_read_as_it_was_written(tmp_path: Path) -> None:
    """What the drill ordered is what the runtime does."""
    fault = Fault(kind="latency", share=0.5, milliseconds=300)
    artifact(tmp_path / "model", 1, fault=fault)
    assert fault == read_fault(tmp_path / "model")


def test_a_share_strikes_that_often_and_the_same_way_each_time() -> None:
    """Drills can be repeated."""
    first, second = (Drill(Fault(kind="errors", share=0.3)) for _ in range(2))
    struck = [first.strikes() for _ in range(2000)]
    assert struck == [second.strikes() for _ in range(2000)]
    assert 0.3 == pytest.approx(np.mean(struck), abs=0.04)


def test_a_full_share_always_strikes() -> None:
    """Share 1 leaves nobody out."""
    drill = Drill(Fault(kind="inverted"))
    assert all(drill.strikes() for _ in range(500))


@pytest.mark.parametrize(
    ("datatype", "data", "wrong"),
    [
        ("FP64", [0.75, 0.0], [0.25, 1.0]),
        ("FP64", [0.5, -3.0], [-0.5, 3.0]),
        ("INT64", [0, 7], [-1, -8]),
        ("BOOL", [True], [False]),
        ("BYTES", ["cat"], ["not cat"]),
    ],
)
def test_what_is_inverted_is_wrong_whatever_it_is(datatype: str, data: list[Any], wrong: list[Any]) -> None:
    """A probability stays one, a number is another, a label is one that there is not."""
    assert Tensor("y", datatype, (len(data),), wrong) == inverted(Tensor("y", datatype, (len(data),), data))
