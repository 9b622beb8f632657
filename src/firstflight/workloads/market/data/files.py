"""Market data and fear index from files of one's own."""

from pathlib import Path

import pandas as pd

from firstflight.domain.errors import InvalidDataError
from firstflight.workloads.market.data.contract import check_fear
from firstflight.workloads.market.data.reading import data_files, read_file


def read_prices(source: Path) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the rows of all files of `source`, not yet checked, and a line of provenance per file.

    A file without a column `symbol` is about the instrument it is named after (`AAPL.csv`).

    Raises:
        InvalidDataError: A file is missing, cut off or unreadable; every such file is named.
    """
    tables: list[pd.DataFrame] = []
    sources: list[str] = []
    faults: list[str] = []
    for path in data_files(source):
        try:
            table, digest = read_file(path)
        except InvalidDataError as refused:
            faults.extend(f"{path.name}: {fault}" for fault in refused.faults)
            continue
        if "symbol" not in table.columns:
            table = table.assign(symbol=path.name.split(".")[0])
        tables.append(table)
        sources.append(f"{path.name} sha256:{digest}")
    if faults:
        raise InvalidDataError(str(source), tuple(faults))
    return pd.concat(tables, ignore_index=True), tuple(sources)


def read_fear(path: Path) -> tuple[pd.Series, str]:
    """Return the fear index of a file with columns date and close, by date, and its line of provenance.

    Columns beside those two are passed over and dates may be written 01/31/2020, so that CBOE's
    `VIX_History.csv` can be used as it comes.

    Raises:
        InvalidDataError: The file cannot be read or breaks FEAR_CONTRACT.
    """
    table, digest = read_file(path)
    table = table[[name for name in ("date", "close") if name in table.columns]]
    if "date" in table.columns and (american := _american(table["date"])).notna().all():
        table = table.assign(date=american)
    return check_fear(table, str(path)), f"{path.name} sha256:{digest}"


def _american(column: pd.Series) -> pd.Series:
    return pd.to_datetime(column.astype("str"), format="%m/%d/%Y", errors="coerce")
