"""A fresh world in memory for each test."""

from pathlib import Path

import pytest

from tests.unit.acts.twin import Twin


@pytest.fixture
def twin(tmp_path: Path) -> Twin:
    """A world in memory."""
    return Twin(tmp_path)
