"""Histories made for the tests, a small market, and the packaged one, read once."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from firstflight.workloads.market.data.columns import COLUMNS
from firstflight.workloads.market.data.market import Market, load_market
from firstflight.workloads.market.data.splits import proportional_splits

Array = NDArray[np.float64]


def history_of(rows: int, seed: int, price: float = 100.0, stillness: float = 0.0) -> Array:
    """Return a random history [rows, 6]; a share `stillness` of its days have no move, range or volume."""
    rng = np.random.default_rng(seed)
    still = rng.random(rows) < stillness
    close = price * np.exp(np.cumsum(np.where(still, 0.0, rng.normal(0.0, 0.02, rows))))
    opened = np.where(still, close, close * np.exp(rng.normal(0.0, 0.01, rows)))
    spread = np.exp(np.where(still, 0.0, np.abs(rng.normal(0.0, 0.01, rows))))
    high, low = np.maximum(opened, close) * spread, np.minimum(opened, close) / spread
    volume = np.where(still, 0.0, rng.lognormal(13.0, 0.5, rows))
    fear = np.clip(15.0 * np.exp(np.cumsum(rng.normal(0.0, 0.05, rows))), 0.1, 1000.0)
    return np.column_stack([opened, high, low, close, volume, fear])


@pytest.fixture(scope="session")
def make_history() -> Callable[..., Array]:
    """Make a history: `make_history(rows, seed, price, stillness)`."""
    return history_of


@pytest.fixture(scope="session")
def small_market() -> Market:
    """Two traded instruments and one that only trains, 500 days."""
    days = pd.bdate_range("2020-01-01", periods=500)
    tables = [
        pd.DataFrame(history_of(500, seed), columns=list(COLUMNS)).assign(
            symbol=symbol, date=days.astype("datetime64[s]")
        )
        for seed, symbol in enumerate(("AAA", "BBB", "IDX"))
    ]
    return Market(
        name="small",
        table=pd.concat(tables, ignore_index=True)[["symbol", "date", *COLUMNS]],
        fear_source="realised_volatility",
        traded=("AAA", "BBB"),
        splits=proportional_splits(days.to_numpy("datetime64[D]")),
        sources=("made for a test",),
    )


@pytest.fixture(scope="session")
def packaged() -> Market:
    """The market that ships inside packages."""
    return load_market()
