"""The contract names every fault of bad market data and lets good data through unchanged."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from firstflight.domain.errors import InvalidDataError
from firstflight.workloads.market.data.contract import MIN_ROWS, check_fear, check_prices


def _faults(table: pd.DataFrame) -> tuple[str, ...]:
    with pytest.raises(InvalidDataError) as refused:
        check_prices(table, "bad.csv")
    assert "bad.csv" == refused.value.source
    return refused.value.faults


def _with(column: str, value: Any, row: int = 5) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def broken(table: pd.DataFrame) -> pd.DataFrame:
        column_of_anything = table[column].astype(object)
        column_of_anything.iloc[row] = value
        return table.assign(**{column: column_of_anything})

    return broken


def _scaled(table: pd.DataFrame, column: str, factor: float) -> pd.DataFrame:
    return table.assign(**{column: table[column].where(table.index != 200, factor * table[column])})


def _split(table: pd.DataFrame, shares: float, *, shares_too: bool = False) -> pd.DataFrame:
    factor = pd.Series(np.where(table.index > 200, shares, 1.0), index=table.index)
    prices = {name: table[name] / factor for name in ("open", "high", "low", "close")}
    return table.assign(**prices, volume=table["volume"] * factor if shares_too else table["volume"])


BROKEN = {
    "missing column": (lambda t: t.drop(columns="volume"), "missing column 'volume'"),
    "wrong name": (lambda t: t.rename(columns={"close": "last"}), "missing column 'close'"),
    "extra column": (lambda t: t.assign(note=1), "unknown column 'note'"),
    "column twice": (lambda t: pd.concat([t, t[["open"]]], axis=1), "column 'open' comes twice"),
    "no rows": (lambda t: t.iloc[:0], "no rows"),
    "no symbol": (_with("symbol", None), "symbol missing or not readable in 1 row(s), first None 2020-01-08"),
    "odd symbol": (_with("symbol", "A/B"), "symbol not a plain name of up to 20 characters in 1 row(s), first A/B"),
    "no date": (_with("date", None), "date missing or not readable in 1 row(s), first AAA"),
    "no such date": (_with("date", "2020-13-45"), "date missing or not readable in 1 row(s), first AAA 2020-13-45"),
    "time of day": (_with("date", pd.Timestamp("2020-01-08 16:00")), "date has a time of day in 1 row(s)"),
    "duplicate date": (lambda t: pd.concat([t.iloc[:6], t.iloc[5:]]), "duplicate date in 1 row(s), first AAA 2020"),
    "unordered": (lambda t: t.iloc[::-1], "dates not in ascending order in 399 row(s)"),
    "gap": (lambda t: t.drop(index=range(100, 120)), "more than 14 days after the day before in 1 row(s)"),
    "NaN": (_with("high", np.nan), "high missing or not readable in 1 row(s), first AAA 2020-01-08"),
    "text": (_with("low", "n/a"), "low missing or not readable in 1 row(s)"),
    "infinite": (_with("high", np.inf), "high infinite in 1 row(s)"),
    "negative price": (_with("low", -1.0), "low zero, negative or tiny in 1 row(s), first AAA 2020-01-08"),
    "zero price": (_with("open", 0.0), "open zero, negative or tiny in 1 row(s)"),
    "huge price": (_with("high", 1e12), "high above 1e+09 in 1 row(s)"),
    "high below low": (_with("high", 0.01), "high below low in 1 row(s), first AAA 2020-01-08 00:00:00 (row 6)"),
    "close outside": (_with("low", 1e6), "open or close outside low and high in 1 row(s)"),
    "negative volume": (_with("volume", -1.0), "volume negative in 1 row(s)"),
    "split": (lambda t: t.assign(**{c: t[c] / (1 + 3 * (t.index > 200)) for c in ("open", "high", "low", "close")}),
              "is it adjusted for splits? in 1 row(s)"),
    "split of 2:1": (lambda t: _split(t, 2), "at 0.5 of the close before, a split of 2:1 that is not adjusted for?"),
    "split of 3:2": (lambda t: _split(t, 1.5), "a split of 3:2 that is not adjusted for? in 1 row(s)"),
    "split of 1:2": (lambda t: _split(t, 0.5), "a split of 1:2 that is not adjusted for? in 1 row(s)"),
    "split of 2:1 with its shares": (lambda t: _split(t, 2, shares_too=True), "a split of 2:1 that is not"),
    "split of 10:1": (lambda t: _split(t, 10), "a split of 10:1 that is not adjusted for? in 1 row(s)"),
    "high in cents": (lambda t: t.assign(high=100 * t["high"]), "high above open and close by a factor of more than"),
    "one high in cents": (lambda t: _scaled(t, "high", 100), "more than e; is it in the same unit? in 1 row(s)"),
    "low in another unit": (lambda t: t.assign(low=t["low"] / 100), "low below open and close by a factor of more"),
    "open in cents": (lambda t: t.assign(open=100 * t["open"], high=100 * t["high"]),
                      "open and close differ by a factor of more than e"),
    "one volume in another unit": (lambda t: _scaled(t, "volume", 5000), "volume is more than 1,000 times"),
    "too few rows": (lambda t: t.iloc[: MIN_ROWS - 1], f"AAA: {MIN_ROWS - 1} rows, at least {MIN_ROWS} are needed"),
}  # fmt: skip


@pytest.mark.parametrize(("spoil", "named"), BROKEN.values(), ids=BROKEN.keys())
def test_a_fault_is_named(
    walk: Callable[..., pd.DataFrame], spoil: Callable[[pd.DataFrame], pd.DataFrame], named: str
) -> None:
    """Each kind of bad data is refused in words that say what is wrong and where."""
    faults = _faults(spoil(walk()))
    assert any(named in fault for fault in faults), faults


def test_every_fault_is_named_at_once(walk: Callable[..., pd.DataFrame]) -> None:
    """Three faults give three sentences, so a file is mended in one go; the documentation shows just these."""
    read = walk().assign(note="x", date=lambda table: table["date"].dt.strftime("%Y-%m-%d"))  # as a CSV has them
    spoilt = _with("volume", -3, row=7)(_with("low", np.nan, row=9)(read))
    expected = {"unknown column 'note'", "low missing", "volume negative"}
    faults = _faults(spoilt)
    assert expected == {want for want in expected if any(fault.startswith(want) for fault in faults)}
    assert 3 == len(faults)
    page = (Path(__file__).parents[5] / "docs" / "market-data.md").read_text(encoding="utf-8")
    assert f"\nInvalidDataError: {InvalidDataError('prices.csv', faults)}\n" in page
    assert f"\n{','.join(walk().columns)}\n" in page


def test_good_data_pass_unchanged(walk: Callable[..., pd.DataFrame]) -> None:
    """Values, types and order of good data stay what they were, whatever order the columns had."""
    good = walk()
    checked = check_prices(good[good.columns[::-1]], "good.csv")
    pd.testing.assert_frame_equal(good.assign(date=good["date"].astype("datetime64[s]")), checked, check_dtype=False)


def test_instruments_may_be_interleaved(walk: Callable[..., pd.DataFrame]) -> None:
    """Rows in order of date, all instruments of a day together, are sorted by instrument."""
    both = pd.concat([walk("BBB", seed=2), walk("AAA")]).sort_values("date", kind="stable")
    assert ["AAA", "BBB"] == check_prices(both, "good.csv")["symbol"].unique().tolist()


@pytest.mark.parametrize("written", ["%Y-%m-%d", "%Y%m%d", "%Y-%m-%dT00:00:00", "%Y-%m-%d 00:00:00-05:00"])
def test_iso_dates_are_read(walk: Callable[..., pd.DataFrame], written: str) -> None:
    """A date in any ISO form is the same day, whatever zone its midnight was written in."""
    good = walk()
    checked = check_prices(good.assign(date=good["date"].dt.strftime(written)), "good.csv")
    assert good["date"].tolist() == checked["date"].tolist()


def test_a_bad_fear_index_is_refused() -> None:
    """A fear index with a level of zero and a repeated day is refused with both named."""
    table = pd.DataFrame({"date": ["2020-01-02", "2020-01-02"], "close": ["0", "12.5"]})
    with pytest.raises(InvalidDataError) as refused:
        check_fear(table, "vix.csv")
    expected = {
        "close zero or negative in 1 row(s), first 2020-01-02 (row 1)",
        "duplicate date in 1 row(s), first 2020-01-02 (row 2)",
    }
    assert expected == set(refused.value.faults)


def test_a_crash_is_no_split(walk: Callable[..., pd.DataFrame]) -> None:
    """Prices that halve while everybody sells are prices; so are those that open where no split would."""
    halved = _split(walk(), 2)
    excited = halved.assign(volume=halved["volume"].where(halved.index != 201, 25 * halved["volume"]))
    check_prices(excited, "crash.csv")
    check_prices(_split(walk(), 1.75), "crash.csv")


def test_a_fear_index_in_another_unit_is_refused() -> None:
    """One level a hundred times the one before."""
    days = pd.date_range("2020-01-01", periods=4).strftime("%Y-%m-%d")
    with pytest.raises(InvalidDataError, match="moves by a factor of more than e in a day; is it in the same unit"):
        check_fear(pd.DataFrame({"date": days, "close": [12.0, 13.0, 1400.0, 13.0]}), "vix.csv")
