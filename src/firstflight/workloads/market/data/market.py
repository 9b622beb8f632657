"""The one entry to market data: packaged or one's own, checked, with a fear index and its splits."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from firstflight.domain.errors import InvalidDataError
from firstflight.workloads.market.data.columns import COLUMNS
from firstflight.workloads.market.data.contract import check_prices
from firstflight.workloads.market.data.fear import FearSource, panel_returns, realised_volatility, with_fear
from firstflight.workloads.market.data.files import read_fear, read_prices
from firstflight.workloads.market.data.packaged import NAME, TRADED, read_packaged
from firstflight.workloads.market.data.splits import (
    TEST_FROM,
    VALIDATION_FROM,
    Days,
    Splits,
    proportional_splits,
    splits_at,
)


@dataclass(frozen=True)
class Market:
    """Checked daily data of several instruments.

    `table` has columns symbol, date, open, high, low, close, volume (adjusted for splits and dividends) and
    fear (percent a year), sorted by symbol and date. `traded` instruments are validated, tested and replayed;
    the others only train. `sources` is a line of provenance per file, for the model card.
    """

    name: str
    table: pd.DataFrame
    fear_source: FearSource
    traded: tuple[str, ...]
    splits: Splits
    sources: tuple[str, ...]

    @property
    def symbols(self) -> tuple[str, ...]:
        """All instruments, by name."""
        return tuple(str(symbol) for symbol in self.table["symbol"].unique())

    def series(self, symbol: str) -> tuple[Days, NDArray[np.float64]]:
        """Return the days [L] and the values [L, 6] (see COLUMNS) of one instrument, oldest first."""
        rows = self.table[self.table["symbol"] == symbol]
        return rows["date"].to_numpy("datetime64[D]"), rows[list(COLUMNS)].to_numpy(np.float64)


def load_market(source: Path | None = None, fear_file: Path | None = None) -> Market:
    """Read, check and stitch market data.

    Args:
        source: CSV or Parquet file, or a folder of them, with columns symbol, date, open, high, low, close,
            volume, prices adjusted for splits and dividends; none: the data that ships inside packages,
            cut at 2016 and 2019. Files of one's own are cut 60/20/20 by trading day.
        fear_file: CSV or Parquet file of VIX levels with columns date and close; none: the realised volatility
            of 20 days, of the S&P 500 (packaged data) or of the equal-weight mean of one's own instruments.

    Raises:
        InvalidDataError: A package or file is missing, cut off or unreadable, or the data break their
            contract; every fault is named.
    """
    if source is None:
        packaged = read_packaged()
        name, sources = NAME, packaged.sources
        traded: tuple[str, ...] = TRADED
        prices = check_prices(packaged.prices, name)
        returns = packaged.index_returns
    else:
        name = source.name
        raw, sources = read_prices(source)
        prices = check_prices(raw, str(source))
        traded = tuple(str(symbol) for symbol in prices["symbol"].unique())
        returns = panel_returns(prices)
    fear_source: FearSource = "realised_volatility" if fear_file is None else "vix"
    if fear_file is None:
        fear = realised_volatility(returns)
    else:
        fear, line = read_fear(fear_file)
        sources = (*sources, line)
    table = with_fear(prices, fear, name if fear_file is None else str(fear_file))
    return Market(name, table, fear_source, traded, _splits(table, packaged=source is None, name=name), sources)


def _splits(table: pd.DataFrame, *, packaged: bool, name: str) -> Splits:
    days = np.unique(table["date"].to_numpy("datetime64[D]"))
    try:
        return splits_at(days, VALIDATION_FROM, TEST_FROM) if packaged else proportional_splits(days)
    except ValueError as refused:
        raise InvalidDataError(name, (str(refused),)) from refused
