"""Every shape of latency has its 95th percentile at 1."""

import numpy as np
import pytest

from benchmarks.worlds.latencies import Lognormal, Shape, Slowed


@pytest.mark.parametrize(
    "shape", [Lognormal(0.5), Lognormal(1.2), Slowed(0.3, share=0.1, times=8), Slowed(0.5, share=0.01, times=60)]
)
def test_one_in_twenty_takes_longer_than_the_p95(shape: Shape) -> None:
    """Within five standard errors."""
    drawn = shape.draw(np.random.default_rng(7), 200_000)
    assert abs(np.mean(drawn > 1) - 0.05) < 5 * np.sqrt(0.05 * 0.95 / 200_000)
    for value, chance in zip((0.5, 1.0, 1.5), shape.above(np.array([0.5, 1.0, 1.5])), strict=True):
        assert abs(np.mean(drawn > value) - chance) < 5 * np.sqrt(chance * (1 - chance) / 200_000)


def test_a_lognormal_is_as_wide_as_its_sigma() -> None:
    """The logarithm's standard deviation and skewness are those of a normal distribution."""
    logs = np.log(Lognormal(1.2).draw(np.random.default_rng(7), 200_000))
    assert pytest.approx(1.2, abs=0.01) == logs.std()
    assert abs(np.mean(((logs - logs.mean()) / logs.std()) ** 3)) < 0.03


def test_two_modes_lie_apart_by_their_ratio() -> None:
    """One in ten is eight times as slow."""
    drawn = np.log(Slowed(0.1, share=0.1, times=8).draw(np.random.default_rng(7), 200_000))
    split = (drawn.min() + drawn.max()) / 2
    assert pytest.approx(0.1, abs=0.004) == np.mean(drawn > split)
    assert pytest.approx(8, abs=0.05) == np.exp(drawn[drawn > split].mean() - drawn[drawn <= split].mean())
