"""A fresh world in memory for each test."""

import pytest

from tests.unit.acts.twin import Twin


@pytest.fixture
def twin() -> Twin:
    """A world in memory."""
    return Twin()
