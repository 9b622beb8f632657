"""The in-memory backend, beyond its contract."""

from pathlib import Path

import pytest

from firstflight.domain.errors import StaleTokenError
from firstflight.domain.traffic import TrafficSplit
from firstflight.serving.memory import MemoryBackend
from tests.serving_bench import MODEL, artifact


def test_state_outlives_the_object(tmp_path: Path) -> None:
    """A flow that is resumed in another process finds models, split and token."""
    version = artifact(tmp_path / "model", 1)
    split = TrafficSplit.all_to(version.served_name)
    first = MemoryBackend(tmp_path / "state" / "serving.json")
    first.deploy(version, tmp_path / "model")
    first.set_traffic(MODEL, split, 7)
    second = MemoryBackend(tmp_path / "state" / "serving.json")
    assert second.is_ready(version.served_name)
    assert split == second.get_traffic(MODEL)
    with pytest.raises(StaleTokenError):
        second.set_traffic(MODEL, split, 6)
