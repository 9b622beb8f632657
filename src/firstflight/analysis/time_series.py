"""How well the mean of a series is known whose values hang together: one value a minute, a look, a day.

Values that remember each other know less than as many independent ones: with a correlation r from one to the next the
standard error is some √((1 + r)/(1 - r)) times the usual.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from firstflight.analysis.status import Status

_FEWEST = 2


@dataclass(frozen=True)
class SeriesMean:
    """A mean with a standard error and interval that allow for memory; None unless status is `ok`.

    `reach` is how far the memory was followed: lags of `hac_mean`.
    """

    status: Status
    mean: float | None = None
    error: float | None = None
    low: float | None = None
    high: float | None = None
    reach: int = 0


def hac_mean(values: Sequence[float], lags: int | None = None, alpha: float = 0.05) -> SeriesMean:
    """Return the mean of a stationary series with a standard error that allows for memory and changing spread.

    Var = (γ0 + 2·Σ (1 - l/(lags + 1))·γl)/n, γl = Σ(x_t - mean)(x_{t-l} - mean)/n (Newey and West, "A simple, positive
    semi-definite, heteroskedasticity and autocorrelation consistent covariance matrix", Econometrica 55, 1987). Without
    `lags`: ⌊4·(n/100)^(2/9)⌋ (their 1994 rule of thumb). Large samples: with fewer than some 50 values, or memory
    longer than the lags, the error is too small.

    Raises:
        ValueError: `lags` is negative.
    """
    if lags is not None and lags < 0:
        raise ValueError(f"lags {lags} must be 0 or more")
    series = np.asarray(values, float)
    if (fault := _fault(series)) is not None:
        return SeriesMean(fault, float(series[0]) if fault is Status.INSUFFICIENT_DATA else None)
    n = len(series)
    reach = min(math.floor(4 * (n / 100) ** (2 / 9)) if lags is None else lags, n - 1)
    mean = float(series.mean())
    gone = series - mean
    whole = float(gone @ gone)
    for lag in range(1, reach + 1):
        whole += 2 * (1 - lag / (reach + 1)) * float(gone[lag:] @ gone[:-lag])
    if whole <= 0 or not np.ptp(series):
        return SeriesMean(Status.ZERO_VARIANCE, mean, reach=reach)
    error = math.sqrt(whole) / n
    radius = float(ndtri(1 - alpha / 2)) * error
    return SeriesMean(Status.OK, mean, error, mean - radius, mean + radius, reach)


def _mean(series: NDArray[np.float64]) -> float:
    return float(series.mean())


def block_bootstrap_error(
    values: Sequence[float],
    block: int,
    rng: np.random.Generator,
    *,
    statistic: Callable[[NDArray[np.float64]], float] = _mean,
    resamples: int = 2000,
) -> float | None:
    """Return the standard error of a statistic of a stationary series, by drawing blocks of it with replacement.

    The circular block bootstrap (Politis and Romano, "A circular block-resampling procedure for stationary data", in
    "Exploring the limits of bootstrap", 1992): blocks of `block` neighbours, the last value beside the first. The block
    must be longer than the memory and much shorter than the series; n^(1/3) is a beginning. None where there are fewer
    than two blocks, or a value is no number.

    Raises:
        ValueError: `block` or `resamples` is too small to draw anything.
    """
    if block < 1 or resamples < _FEWEST:
        raise ValueError(f"a block of {block} and {resamples} resamples: wanted 1 and {_FEWEST} or more")
    series = np.asarray(values, float)
    if _fault(series) is not None or len(series) < _FEWEST * block:
        return None
    n = len(series)
    drawn = rng.integers(0, n, (resamples, math.ceil(n / block)))
    within = np.arange(block)
    found = [statistic(series[((starts[:, None] + within) % n).ravel()[:n]]) for starts in drawn]
    return float(np.std(found, ddof=1))


def _fault(series: NDArray[np.float64]) -> Status | None:
    if len(series) == 0:
        return Status.NO_DATA
    if not np.isfinite(series).all():
        return Status.NOT_FINITE
    return Status.INSUFFICIENT_DATA if len(series) < _FEWEST else None
