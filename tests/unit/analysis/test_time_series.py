"""Errors of means of series, beside statsmodels and what the draws must give in the limit."""

import math

import numpy as np
import pytest
import statsmodels.api as sm

from firstflight.analysis.status import Status
from firstflight.analysis.time_series import block_bootstrap_error, hac_mean


def remembering(seed: int, n: int, memory: float = 0.6) -> np.ndarray:
    """Return a series in which each value keeps a share of the one before."""
    rng = np.random.default_rng(seed)
    series = np.empty(n)
    series[0] = rng.normal(0, 1 / math.sqrt(1 - memory**2))
    for at in range(1, n):
        series[at] = memory * series[at - 1] + rng.normal()
    return series


@pytest.mark.parametrize("lags", [0, 1, 5, 20])
def test_the_error_is_statsmodels(lags: int) -> None:
    """OLS on a constant, cov_type HAC with Bartlett's kernel (statsmodels 0.15)."""
    series = remembering(3, 300)
    theirs = sm.OLS(series, np.ones(300)).fit(cov_type="HAC", cov_kwds={"maxlags": lags})
    found = hac_mean(series.tolist(), lags)
    assert pytest.approx(theirs.bse[0]) == found.error
    assert pytest.approx(theirs.conf_int()[0]) == [found.low, found.high]


def test_lags_are_chosen_by_the_length() -> None:
    """⌊4·(n/100)^(2/9)⌋, and never more than there are."""
    assert [4, 6, 1] == [hac_mean(remembering(1, n).tolist()).reach for n in (100, 1000, 3)]
    assert 2 == hac_mean([1.0, 2.0, 4.0], 20).reach


def test_it_covers_where_the_usual_error_does_not() -> None:
    """Of 400 series of 500 values with a memory of 0.6 the interval misses few, that of independent values many."""
    missed = alone = 0
    for seed in range(400):
        series = remembering(seed, 500)
        found, usual = hac_mean(series.tolist(), 20), hac_mean(series.tolist(), 0)
        missed += not (found.low or 0) <= 0 <= (found.high or 0)
        alone += not (usual.low or 0) <= 0 <= (usual.high or 0)
    assert missed / 400 < 0.12
    assert alone / 400 > 0.25


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ([], Status.NO_DATA),
        ([1.0], Status.INSUFFICIENT_DATA),
        ([1.0, math.inf], Status.NOT_FINITE),
        ([2.0, 2.0, 2.0], Status.ZERO_VARIANCE),
    ],
)
def test_edges_of_series_have_names(values: list[float], status: Status) -> None:
    """Nothing, one value, no numbers, no spread."""
    found = hac_mean(values)
    assert status is found.status
    assert found.error is None


def test_blocks_vary_as_their_means_do() -> None:
    """The error of a mean has a limit: the spread of all circular block means, by the number of blocks drawn."""
    series = remembering(5, 200)
    twice = np.concatenate([series, series])
    means = np.array([twice[at : at + 10].mean() for at in range(200)])
    found = block_bootstrap_error(series.tolist(), 10, np.random.default_rng(1), resamples=4000)
    assert pytest.approx(float(means.std() / math.sqrt(20)), rel=0.05) == found


def test_any_statistic_can_be_drawn() -> None:
    """Three times the mean has three times its error, of the same draws."""
    series = remembering(7, 90).tolist()
    mean = block_bootstrap_error(series, 5, np.random.default_rng(2), resamples=50)
    thrice = block_bootstrap_error(
        series, 5, np.random.default_rng(2), statistic=lambda drawn: 3 * float(drawn.mean()), resamples=50
    )
    assert mean is not None
    assert pytest.approx(3 * mean) == thrice


def test_what_cannot_be_drawn_has_no_error() -> None:
    """Fewer than two blocks, or no numbers; a block of nothing is refused."""
    rng = np.random.default_rng(1)
    assert block_bootstrap_error([1.0, 2.0, 3.0], 2, rng) is None
    assert block_bootstrap_error([1.0, math.nan], 1, rng) is None
    with pytest.raises(ValueError, match="block of 0"):
        block_bootstrap_error([1.0, 2.0], 0, rng)
    with pytest.raises(ValueError, match="lags -1"):
        hac_mean([1.0, 2.0], -1)
