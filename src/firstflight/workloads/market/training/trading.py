"""Trading on a forecast, simulated: long or flat, equal weights, costs on what is turned over."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from firstflight.domain.values import Value

if TYPE_CHECKING:  # see `evaluation`
    from firstflight.workloads.market.features.dataset import Part

COST = 0.0002
"""Price of turning over one unit of wealth: 2 basis points."""

TRADING_DAYS = 252


class Trading(Value):
    """What a rule earned on one part, after costs.

    `profit` is final wealth - 1 (compounded), `sharpe` mean over standard deviation of the daily
    net returns times √252 (no risk-free rate; 0 when they never vary), `max_drawdown` the deepest
    relative fall from an earlier peak (≤ 0), `turnover` the mean share of wealth traded a day.
    """

    profit: float
    sharpe: float
    max_drawdown: float
    turnover: float


def simulate(held: npt.NDArray[np.bool_], part: "Part") -> Trading:
    """Hold 1/n of wealth in each of the day's n instruments where `held` [N] says so, the rest in cash.

    Positions are set at the close of the row's date and earn its forward return; overnight drift
    of the weights is traded back and paid for. Executing at the very close that was just observed
    is optimistic, for the model and for buy-and-hold alike.
    """
    net, turnover = _daily(held, part)
    wealth = np.cumprod(1 + net)
    peak = np.maximum.accumulate(np.maximum(wealth, 1.0))
    spread = float(np.std(net, ddof=1)) if len(net) > 1 else 0.0
    return Trading(
        profit=float(wealth[-1] - 1),
        sharpe=float(np.mean(net) / spread * np.sqrt(TRADING_DAYS)) if spread > 0 else 0.0,
        max_drawdown=float(np.min(wealth / peak - 1)),
        turnover=float(np.mean(turnover)),
    )


def _daily(held: npt.NDArray[np.bool_], part: "Part") -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return net return and turnover of each day of the part."""
    days, day = np.unique(part.date, return_inverse=True)
    symbols, symbol = np.unique(part.symbol, return_inverse=True)
    returns = np.zeros((len(days), len(symbols)))
    returns[day, symbol] = part.forward_return
    weights = np.zeros_like(returns)
    weights[day, symbol] = held / np.bincount(day)[day]
    gross = (weights * returns).sum(axis=1)
    drifted = weights * (1 + returns) / (1 + gross)[:, None]
    before = np.vstack([np.zeros(len(symbols)), drifted[:-1]])
    turnover = np.abs(weights - before).sum(axis=1)
    return gross - COST * turnover, turnover
