"""The fear index: VIX from a file, or its stand-in from realised volatility. The name says which one it is."""

import math
from typing import Literal

import numpy as np
import pandas as pd

from firstflight.domain.errors import InvalidDataError

FearSource = Literal["vix", "realised_volatility"]

WINDOW_DAYS = 20
TRADING_DAYS = 252
MIN_FEAR = 0.1
MAX_AGE_DAYS = 7


def realised_volatility(returns: pd.Series) -> pd.Series:
    """Return the standard deviation of the last 20 log returns, in percent a year, by date.

    A market that stands still has MIN_FEAR, since models see the logarithm.
    """
    deviation: pd.Series = returns.rolling(WINDOW_DAYS).std(ddof=0).dropna()
    return deviation.mul(100.0 * math.sqrt(TRADING_DAYS)).clip(lower=MIN_FEAR).rename("fear")


def panel_returns(table: pd.DataFrame) -> pd.Series:
    """Return the equal-weight mean log return of all instruments of `table`, by date."""
    log_close = pd.Series(np.log(table["close"]))
    returns = log_close - log_close.groupby(table["symbol"]).shift()
    mean: pd.Series = returns.groupby(table["date"]).mean()
    return mean.dropna()


def with_fear(table: pd.DataFrame, fear: pd.Series, source: str) -> pd.DataFrame:
    """Return `table` with the last level known at each date; days before the first level are dropped.

    Raises:
        InvalidDataError: A day later than the first level has none within the 7 days before it.
    """
    known: pd.DataFrame = table[table["date"] >= fear.index[0]].reset_index(drop=True)
    if known.empty:
        raise InvalidDataError(source, (f"fear index begins {fear.index[0]:%Y-%m-%d}, after the last price",))
    place = fear.index.searchsorted(known["date"], side="right") - 1
    stale = (known["date"] - fear.index[place]) > pd.Timedelta(days=MAX_AGE_DAYS)
    if stale.any():
        days = known["date"][stale]
        fault = (
            f"fear index has no level within {MAX_AGE_DAYS} days before {days.nunique()} trading days, first "
            f"{days.min():%Y-%m-%d}; it runs from {fear.index[0]:%Y-%m-%d} to {fear.index[-1]:%Y-%m-%d}"
        )
        raise InvalidDataError(source, (fault,))
    return known.assign(fear=fear.to_numpy()[place])
