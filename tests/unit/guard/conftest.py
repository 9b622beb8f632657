"""A world in memory with a champion."""

import pytest

from tests.unit.acts.twin import Twin


@pytest.fixture
def twin(twin: Twin) -> Twin:
    """The same, with a champion."""
    twin.champion()
    return twin
