"""Who answers a request."""

import numpy as np
import pytest

from benchmarks.worlds.events import CANDIDATE
from benchmarks.worlds.routing import PerUnit


def test_a_unit_keeps_its_model_when_the_share_grows() -> None:
    """Nobody has two models in one stage, and nobody goes back to the stable one."""
    router = PerUnit(units=500).router(np.random.default_rng(7))
    few, many = ({*unit[arm == CANDIDATE]} for unit, arm in (router.route(0, 20_000, share) for share in (0.1, 0.5)))
    unit, arm = router.route(0, 20_000, 0.1)
    assert few <= many
    assert not {*unit[arm == CANDIDATE]} & {*unit[arm != CANDIDATE]}


def test_equal_units_ask_equally_often() -> None:
    """Each has its share of the requests."""
    unit, _ = PerUnit(units=50).router(np.random.default_rng(7)).route(0, 100_000, 0.5)
    assert pytest.approx(np.full(50, 0.02), abs=0.003) == np.bincount(unit, minlength=50) / 100_000


def test_units_of_zipf_ask_by_their_rank() -> None:
    """The first asks twice as often as the second, ten times as often as the tenth."""
    unit, _ = PerUnit(units=500, zipf=1.0).router(np.random.default_rng(7)).route(0, 400_000, 0.5)
    often = np.bincount(unit, minlength=500)
    assert pytest.approx(2, rel=0.05) == often[0] / often[1]
    assert pytest.approx(10, rel=0.1) == often[0] / often[9]
