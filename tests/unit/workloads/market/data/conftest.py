"""Small markets made for the tests; the packaged one is read once."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from firstflight.workloads.market.data.market import Market, load_market

Walk = Callable[..., pd.DataFrame]


def _walk(symbol: str = "AAA", rows: int = 400, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    close = 50.0 * np.exp(np.cumsum(rng.normal(0.0, 0.015, rows)))
    opened = close * np.exp(rng.normal(0.0, 0.005, rows))
    spread = np.exp(np.abs(rng.normal(0.0, 0.01, rows)))
    return pd.DataFrame(
        {
            "symbol": symbol,
            "date": pd.bdate_range("2020-01-01", periods=rows),
            "open": opened,
            "high": np.maximum(opened, close) * spread,
            "low": np.minimum(opened, close) / spread,
            "close": close,
            "volume": np.round(rng.lognormal(13.0, 0.3, rows)),
        }
    )


@pytest.fixture(scope="session")
def walk() -> Walk:
    """Make a random walk that keeps the contract: `walk(symbol, rows, seed)`."""
    return _walk


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    """A good CSV file of two instruments."""
    path = tmp_path / "two.csv"
    pd.concat([_walk("AAA", seed=1), _walk("BBB", seed=2)]).to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def packaged() -> Market:
    """The market that ships inside packages."""
    return load_market()
