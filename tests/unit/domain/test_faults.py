"""Models broken on purpose."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from firstflight.domain.faults import Fault, with_fault


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(kind="errors", share=0.3), {"kind": "errors", "share": 0.3}),
        (Fault(kind="inverted"), {"kind": "inverted", "share": 1.0}),
        (Fault(kind="latency", milliseconds=400), {"kind": "latency", "share": 1.0, "milliseconds": 400.0}),
    ],
)
def test_the_copy_differs_by_one_file(tmp_path: Path, fault: Fault, expected: dict[str, object]) -> None:
    """The copy holds the same files and the fault beside them; the original stays whole."""
    artifact = tmp_path / "good"
    artifact.mkdir()
    (artifact / "model.onnx").write_bytes(b"network")
    faulty = with_fault(artifact, fault, tmp_path / "bad")
    assert {"model.onnx", "fault.json"} == {path.name for path in faulty.iterdir()}
    assert b"network" == (faulty / "model.onnx").read_bytes()
    assert expected == json.loads((faulty / "fault.json").read_text())
    assert ["model.onnx"] == [path.name for path in artifact.iterdir()]


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "latency"},
        {"kind": "errors", "milliseconds": 5},
        {"kind": "errors", "share": 0},
        {"kind": "errors", "share": 1.1},
        {"kind": "fire"},
    ],
)
def test_a_fault_without_sense_is_refused(wrong: dict[str, object]) -> None:
    """Latency has milliseconds, nothing else has, and a share lies in (0, 1]."""
    with pytest.raises(ValidationError):
        Fault.model_validate(wrong)
