"""One entry loads packaged data and files of one's own alike."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from firstflight.domain.errors import InvalidDataError
from firstflight.workloads.market.data.columns import COLUMNS
from firstflight.workloads.market.data.market import Market, load_market


def test_kinds_of_files_give_the_same_market(tmp_path: Path, csv_file: Path) -> None:
    """CSV, compressed CSV, Parquet and a folder with one file per instrument hold the same rows."""
    table = pd.read_csv(csv_file)
    table.to_csv(tmp_path / "two.csv.gz", index=False)
    table.assign(date=pd.to_datetime(table["date"])).to_parquet(tmp_path / "two.parquet")
    folder = tmp_path / "folder"
    folder.mkdir()
    for symbol, rows in table.groupby("symbol"):
        rows.drop(columns="symbol").rename(columns=str.title).to_csv(folder / f"{symbol}.csv", index=False)
    expected = load_market(csv_file)
    for source in (tmp_path / "two.csv.gz", tmp_path / "two.parquet", folder):
        pd.testing.assert_frame_equal(expected.table, load_market(source).table)
    assert ("AAA", "BBB") == expected.traded


def test_series_are_in_order_of_time(csv_file: Path) -> None:
    """A series has ascending days and one value per column."""
    days, values = load_market(csv_file).series("BBB")
    assert (len(days), len(COLUMNS)) == values.shape
    assert (np.diff(days) > np.timedelta64(0)).all()


def test_the_stand_in_has_its_own_name(csv_file: Path) -> None:
    """Without a fear file the index is called what it is, and days before its first level are left out."""
    market = load_market(csv_file)
    assert "realised_volatility" == market.fear_source
    assert 2 * (400 - 20) == len(market.table)


def test_the_stand_in_is_the_volatility_of_20_days(packaged: Market) -> None:
    """In calm 2017 the S&P 500 moved by about 7 % a year, in March 2020 by more than 80 %."""
    fear = packaged.table[packaged.table["symbol"] == "AAPL"].set_index("date")["fear"]
    assert 5.0 < fear.loc["2017-01-01":"2017-12-31"].mean() < 8.0
    assert 80.0 < fear.loc["2020-03-01":"2020-04-15"].max() < 110.0


@pytest.mark.parametrize("written", ["%Y-%m-%d", "%m/%d/%Y"])
def test_a_fear_file_is_used_at_its_last_known_level(tmp_path: Path, csv_file: Path, written: str) -> None:
    """Levels of a file, in CBOE's shape too, reach each day; a day without one has the level before it."""
    days = pd.bdate_range("2019-12-02", periods=500)
    levels = pd.DataFrame({"DATE": days.strftime(written), "OPEN": 1.0, "CLOSE": np.arange(500) + 10.0})
    fear_file = tmp_path / "VIX_History.csv"
    levels.drop(index=30).to_csv(fear_file, index=False)
    market = load_market(csv_file, fear_file)
    fear = market.table[market.table["symbol"] == "AAA"].set_index("date")["fear"]
    assert "vix" == market.fear_source
    assert 39.0 == fear.loc[days[30]]
    assert 41.0 == fear.loc[days[31]]


def test_a_fear_file_that_ends_early_is_refused(tmp_path: Path, csv_file: Path) -> None:
    """Prices without a recent level are refused with the days and the reach of the file."""
    fear_file = tmp_path / "vix.csv"
    days = pd.bdate_range("2019-12-02", periods=100)
    pd.DataFrame({"date": days, "close": 20.0}).to_csv(fear_file, index=False)
    with pytest.raises(InvalidDataError, match=r"no level within 7 days before \d+ trading days, first 2020-04-27"):
        load_market(csv_file, fear_file)


def test_a_fear_file_that_begins_after_the_prices_is_refused(tmp_path: Path, csv_file: Path) -> None:
    """A fear index without a common day is refused."""
    fear_file = tmp_path / "vix.csv"
    fear_file.write_text("date,close\n2030-01-02,20\n")
    with pytest.raises(InvalidDataError, match="fear index begins 2030-01-02, after the last price"):
        load_market(csv_file, fear_file)


def test_every_bad_file_of_a_folder_is_named(tmp_path: Path, walk: Callable[..., pd.DataFrame]) -> None:
    """Two broken files among three are both named."""
    walk().to_csv(tmp_path / "AAA.csv", index=False)
    (tmp_path / "BBB.csv").write_text("")
    (tmp_path / "CCC.parquet").write_bytes(b"PAR1")
    with pytest.raises(InvalidDataError) as refused:
        load_market(tmp_path)
    assert ["BBB.csv", "CCC.parquet"] == [fault.split(":")[0] for fault in refused.value.faults]


def test_a_cut_file_is_refused(csv_file: Path) -> None:
    """A file cut at the end of a line lacks fields or rows, and the contract says so."""
    lines = csv_file.read_text().splitlines(keepends=True)
    csv_file.write_text("".join(lines[:500]))
    with pytest.raises(InvalidDataError, match="BBB: 99 rows, at least 252 are needed"):
        load_market(csv_file)
