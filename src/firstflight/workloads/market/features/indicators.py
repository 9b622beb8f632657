"""Every feature and its formula, the same for a whole series and for one request.

A feature of day t reads the days t-60 … t and nothing else (no exponential smoothing, whose memory has no
end), so that the value from a long series equals the value from a request's short history. TA-Lib
indicators with running sums or Wilder's smoothing are left out or replaced for the same reason.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import talib
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.float64]

WARM_UP = 60
"""Days before the first feature: the longest memory of any of them."""
STEPS = 10
"""Days a model sees (T)."""
ROWS = WARM_UP + STEPS
"""Days in the history of a request."""

MIN_VOLATILITY = 1e-4
"""Floor of a daily volatility: ten flat days must not divide by zero (seen in real data)."""
TRADING_DAYS = 252


@dataclass(frozen=True)
class Bars:
    """Days of B instruments, one array [B, R] per column, and what the formulas are made of.

    Methods return [B, R - WARM_UP], the days after the warm-up; properties are as long as the columns, but
    for `volatility`.
    """

    open: Array
    high: Array
    low: Array
    close: Array
    volume: Array
    fear: Array

    @classmethod
    def of(cls, history: Array) -> Self:
        """Take histories [B, R, 6] apart."""
        return cls(*np.ascontiguousarray(np.moveaxis(history, -1, 0)))

    @cached_property
    def log_close(self) -> Array:
        """Logarithm of the closing prices."""
        logarithm: Array = np.log(self.close)
        return logarithm

    @cached_property
    def log_fear(self) -> Array:
        """Logarithm of the fear index."""
        logarithm: Array = np.log(self.fear)
        return logarithm

    @cached_property
    def returns(self) -> Array:
        """Log returns, 0 on the first day (which no window reaches)."""
        return np.diff(self.log_close, axis=1, prepend=self.log_close[:, :1])

    @cached_property
    def volatility(self) -> Array:
        """Daily volatility of the last 40 returns, the unit most features are measured in."""
        return self.deviation(self.returns, 40)

    @cached_property
    def typical(self) -> Array:
        """Mean of high, low and close."""
        return (self.high + self.low + self.close) / 3.0

    def now(self, column: Array) -> Array:
        """Return the value of each day."""
        shown: Array = column[:, WARM_UP:]
        return shown

    def ago(self, column: Array, days: int) -> Array:
        """Return the value `days` before each day."""
        earlier: Array = column[:, WARM_UP - days : column.shape[1] - days]
        return earlier

    def windows(self, column: Array, days: int) -> Array:
        """Return the last `days` values up to each day: [B, R - WARM_UP, days]."""
        return sliding_window_view(column[:, WARM_UP - days + 1 :], days, axis=1)

    def mean(self, column: Array, days: int) -> Array:
        """Return the mean of the last `days` values."""
        mean: Array = np.add.reduce(self.windows(column, days), axis=-1) / days
        return mean

    def deviation(self, column: Array, days: int) -> Array:
        """Return the standard deviation of the last `days` values, at least MIN_VOLATILITY."""
        windows = self.windows(column, days)
        centred = windows - np.add.reduce(windows, axis=-1, keepdims=True) / days
        deviation: Array = np.sqrt(np.add.reduce(centred * centred, axis=-1) / days)
        return np.maximum(deviation, MIN_VOLATILITY)

    def change(self, days: int) -> Array:
        """Return the log return over `days`, in units of the volatility over as many days."""
        return (self.now(self.log_close) - self.ago(self.log_close, days)) / (self.volatility * math.sqrt(days))

    def above_mean(self, days: int) -> Array:
        """Return by how much the close exceeds its moving average, in volatilities."""
        distance: Array = np.log(self.now(self.close) / self.mean(self.close, days))
        return distance / self.volatility

    def indicator(self, function: Callable[..., Array], *columns: Array, **options: Any) -> Array:
        """Call a TA-Lib function once for all histories laid end to end; its memory must not exceed WARM_UP."""
        laid_out = function(*(column.reshape(-1) for column in columns), **options)
        return self.now(laid_out.reshape(columns[0].shape))


def _position_in_range(bars: Bars) -> Array:
    """Close between low (-1) and high (1); 0 on a day without range."""
    high, low, close = bars.now(bars.high), bars.now(bars.low), bars.now(bars.close)
    return _ratio(2.0 * close - high - low, high - low)


def _money_flow(bars: Bars, days: int) -> Array:
    """Money flow index as (up - down) / (up + down), turnover of days with a higher or lower typical price."""
    change = np.diff(bars.typical, axis=1, prepend=bars.typical[:, :1])
    turnover = bars.typical * bars.volume
    return _ratio(bars.mean(np.sign(change) * turnover, days), bars.mean(turnover, days))


def _relative_strength(bars: Bars, days: int) -> Array:
    """Relative strength index with plain means (Cutler's) as (up - down) / (up + down)."""
    return _ratio(bars.mean(bars.returns, days), bars.mean(np.abs(bars.returns), days))


def _true_range(bars: Bars, days: int) -> Array:
    """Logarithm of the mean true range in relation to the close."""
    before = np.concatenate([bars.close[:, :1], bars.close[:, :-1]], axis=1)
    spread = np.log(np.maximum(bars.high, before) / np.minimum(bars.low, before))
    logarithm: Array = np.log(np.maximum(bars.mean(spread, days), MIN_VOLATILITY))
    return logarithm


def _ratio(above: Array, below: Array) -> Array:
    """Divide, 0 where nothing is below: a still market leans to no side."""
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


FEATURES: dict[str, dict[str, Callable[[Bars], Array]]] = {
    "price": {
        "return_1": lambda b: b.change(1),
        "return_5": lambda b: b.change(5),
        "return_20": lambda b: b.change(20),
        "gap": lambda b: (np.log(b.now(b.open)) - b.ago(b.log_close, 1)) / b.volatility,
        "range": lambda b: np.log(b.now(b.high) / b.now(b.low)) / b.volatility,
        "position_in_range": _position_in_range,
    },
    "volume": {
        "volume_1_20": lambda b: np.log((b.now(b.volume) + 1.0) / (b.mean(b.volume, 20) + 1.0)),
        "volume_5_60": lambda b: np.log((b.mean(b.volume, 5) + 1.0) / (b.mean(b.volume, 60) + 1.0)),
    },
    "technical": {
        "return_60": lambda b: b.change(60),
        "above_mean_5": lambda b: b.above_mean(5),
        "above_mean_20": lambda b: b.above_mean(20),
        "above_mean_60": lambda b: b.above_mean(60),
        "mean_10_50": lambda b: np.log(b.mean(b.close, 10) / b.mean(b.close, 50)) / b.volatility,
        "trend_20": lambda b: b.indicator(talib.LINEARREG_SLOPE, b.log_close, timeperiod=20) / b.volatility,
        "relative_strength_14": lambda b: _relative_strength(b, 14),
        "money_flow_14": lambda b: _money_flow(b, 14),
        "williams_14": lambda b: b.indicator(talib.WILLR, b.high, b.low, b.close, timeperiod=14) / 50.0 + 1.0,
        "aroon_25": lambda b: b.indicator(talib.AROONOSC, b.high, b.low, timeperiod=25) / 100.0,
        "below_high_60": lambda b: (
            np.log(b.now(b.close) / b.indicator(talib.MAX, b.high, timeperiod=60)) / b.volatility
        ),
        "above_low_60": lambda b: np.log(b.now(b.close) / b.indicator(talib.MIN, b.low, timeperiod=60)) / b.volatility,
        "true_range_14": lambda b: _true_range(b, 14),
        "volatility_40": lambda b: np.log(b.volatility),
        "volatility_10_40": lambda b: np.log(b.deviation(b.returns, 10) / b.volatility),
    },
    "sentiment": {
        "fear_level": lambda b: b.now(b.log_fear),
        "fear_change_1": lambda b: b.now(b.log_fear) - b.ago(b.log_fear, 1),
        "fear_change_5": lambda b: b.now(b.log_fear) - b.ago(b.log_fear, 5),
        "fear_above_mean_20": lambda b: b.now(b.log_fear) - b.mean(b.log_fear, 20),
        "fear_above_mean_60": lambda b: b.now(b.log_fear) - b.mean(b.log_fear, 60),
        "fear_over_volatility": lambda b: b.now(b.log_fear) - np.log(100.0 * math.sqrt(TRADING_DAYS) * b.volatility),
    },
}
"""Group → feature → formula. "Sentiment" is a fear index and nothing else: no text is read."""

GROUPS = tuple(FEATURES)


def feature_names(groups: Sequence[str]) -> tuple[str, ...]:
    """Return the features of `groups`, in the order models see them.

    Raises:
        ValueError: A group is unknown, named twice, or there is none.
    """
    if not groups or len(set(groups)) != len(groups) or not set(groups) <= set(GROUPS):
        raise ValueError(f"feature groups {tuple(groups)} must be some of {GROUPS}, each once")
    return tuple(name for group in groups for name in FEATURES[group])


def compute(history: Array, groups: Sequence[str]) -> Array:
    """Return the raw features [B, R - WARM_UP, F] of checked histories [B, R, 6], R > WARM_UP."""
    bars = Bars.of(history)
    return np.stack([formula(bars) for group in groups for formula in FEATURES[group].values()], axis=-1)
