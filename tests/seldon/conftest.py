"""The one bench of the tests on a real Seldon Core."""

from collections.abc import Iterator

import pytest

from tests.seldon_real import Bench, Break, breaking, real_bench


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A world whose cluster is real."""
    with real_bench(tmp_path_factory.mktemp("artifacts")) as opened:
        yield opened


@pytest.fixture
def do() -> Break:
    """What breaks parts of it."""
    return breaking()
