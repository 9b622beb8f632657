"""A world in memory."""

from pathlib import Path

import pytest

from tests.unit.acts.twin import Twin


@pytest.fixture
def twin(tmp_path: Path) -> Twin:
    """A world in memory with a champion."""
    twin = Twin(tmp_path)
    twin.champion()
    return twin
