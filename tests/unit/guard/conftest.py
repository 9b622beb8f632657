"""A world in memory, a rollout in its first stage, and the guard."""

from pathlib import Path

import pytest

from tests.unit.acts.twin import Twin


@pytest.fixture
def twin(tmp_path: Path) -> Twin:
    """A world in memory with a champion."""
    twin = Twin(tmp_path)
    twin.champion()
    return twin
