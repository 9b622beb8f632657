"""What market data must look like; whatever does not is refused with every fault named."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pandera.pandas as pa

from firstflight.domain.errors import InvalidDataError
from firstflight.workloads.market.data.columns import (
    MAX_FEAR,
    MAX_PRICE,
    MAX_RANGE,
    MAX_VOLUME,
    MIN_PRICE,
    PRICES,
    RANGE_TOLERANCE,
)

MIN_ROWS = 252
"""Fewest days of one instrument: the shortest history whose three parts are not empty after the embargo."""
MAX_LOG_RETURN = 1.0
"""A larger one-day move is an unadjusted split far more often than a price."""
SPLITS = (1.5, 2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 40, 50, 100)
"""New shares for an old one; the other way round where shares were put together."""
_LIKE_A_SPLIT = 0.05
"""So near, as a logarithm, open and close of the day lie to a split's multiple of the close before."""
_EXCITED = 4.0
"""A day on which so many times the usual number of shares changes hands, a split's own multiple aside, is a real one:
on 29 September 2000 Apple lost half of its value and opened at 0.53 of it, at 22 times the usual volume."""
_USUAL_DAYS = 20
MAX_VOLUME_FACTOR = 1000.0
"""More than this many times what was usual in the days before is another unit far more often than trading."""
TIME_ZONE = r"(?<=:\d\d)(Z|[+-]\d\d:?\d\d)$"
"""A day is the exchange's own day, whatever zone its midnight was written in."""
MAX_GAP_DAYS = 14
"""Longest pause between two trading days; after it a "daily" return is none."""


def _numbers(low: float, high: float, *, low_is_allowed: bool, what: str) -> pa.Column:
    above = (lambda s: s >= low) if low_is_allowed else (lambda s: s > low)
    return pa.Column(
        float,
        [
            pa.Check(above, error=f"{what}"),
            pa.Check(lambda s: s < np.inf, error="infinite"),
            pa.Check(lambda s: (s <= high) | (s == np.inf), error=f"above {high:g}"),
        ],
        nullable=False,
    )


def _day() -> pa.Column:
    return pa.Column(
        "datetime64[s]", pa.Check(lambda s: s == s.dt.normalize(), error="has a time of day"), nullable=False
    )


def _in_range(table: pd.DataFrame) -> pd.Series:
    slack = RANGE_TOLERANCE * table["close"].abs()
    body = table[["open", "close"]]
    fits = (table["high"] >= body.max(axis=1) - slack) & (table["low"] <= body.min(axis=1) + slack)
    return fits | table[list(PRICES)].isna().any(axis=1)


def _previous(table: pd.DataFrame, column: str) -> pd.Series:
    shifted: pd.Series = table.groupby("symbol")[column].shift()
    return shifted


def _move_is_plausible(table: pd.DataFrame) -> pd.Series:
    ratio = (table["close"] / _previous(table, "close")).where(lambda r: (r > 0) & np.isfinite(r), 1.0)
    return ratio.between(math.exp(-MAX_LOG_RETURN), math.exp(MAX_LOG_RETURN))


def _near(upper: pd.Series, lower: pd.Series) -> pd.Series:
    near: pd.Series = (upper <= lower * MAX_RANGE) | upper.isna() | lower.isna() | (lower <= 0) | ~np.isfinite(upper)
    return near


def _usual_volume(table: pd.DataFrame) -> pd.Series:
    usual: pd.Series = table.groupby("symbol")["volume"].transform(
        lambda one: one.rolling(_USUAL_DAYS, min_periods=1).median().shift()
    )
    return usual


def _volume_is_plausible(table: pd.DataFrame) -> pd.Series:
    usual = _usual_volume(table)
    plausible: pd.Series = (table["volume"] <= MAX_VOLUME_FACTOR * usual) | ~(usual > 0) | ~np.isfinite(table["volume"])
    return plausible


def _gap_is_short(table: pd.DataFrame) -> pd.Series:
    gap = table["date"] - _previous(table, "date")
    return gap.isna() | (gap <= pd.Timedelta(days=MAX_GAP_DAYS))


PRICES_CONTRACT = pa.DataFrameSchema(
    columns={
        "symbol": pa.Column(
            str, pa.Check.str_matches(r"^[A-Za-z0-9.^=_-]{1,20}$", error="not a plain name of up to 20 characters")
        ),
        "date": _day(),
        **{name: _numbers(MIN_PRICE, MAX_PRICE, low_is_allowed=True, what="zero, negative or tiny") for name in PRICES},
        "volume": _numbers(0.0, MAX_VOLUME, low_is_allowed=True, what="negative"),
    },
    checks=[
        pa.Check(lambda t: (t["high"] >= t["low"]) | t["high"].isna() | t["low"].isna(), error="high below low"),
        pa.Check(_in_range, error="open or close outside low and high"),
        pa.Check(
            lambda t: _near(t["high"], t[["open", "close"]].max(axis=1)),
            error="high above open and close by a factor of more than e; is it in the same unit?",
        ),
        pa.Check(
            lambda t: _near(t[["open", "close"]].min(axis=1), t["low"]),
            error="low below open and close by a factor of more than e; is it in the same unit?",
        ),
        pa.Check(
            lambda t: _near(t[["open", "close"]].max(axis=1), t[["open", "close"]].min(axis=1)),
            error="open and close differ by a factor of more than e; are they in the same unit?",
        ),
        pa.Check(
            _volume_is_plausible,
            error=f"volume is more than {MAX_VOLUME_FACTOR:,.0f} times that of the days before; is it in one unit?",
        ),
        pa.Check(lambda t: ~(t.duplicated(["symbol", "date"]) & t["date"].notna()), error="duplicate date"),
        pa.Check(lambda t: ~(t["date"] < _previous(t, "date")), error="dates not in ascending order"),
        pa.Check(_gap_is_short, error=f"more than {MAX_GAP_DAYS} days after the day before"),
        pa.Check(
            _move_is_plausible, error="close moves by a factor of more than e in a day; is it adjusted for splits?"
        ),
    ],
    strict=True,
)
"""Long table: one row per instrument and trading day, each instrument's rows in order of date."""

FEAR_CONTRACT = pa.DataFrameSchema(
    columns={"date": _day(), "close": _numbers(0.0, MAX_FEAR, low_is_allowed=False, what="zero or negative")},
    checks=[
        pa.Check(lambda t: ~(t["date"].duplicated() & t["date"].notna()), error="duplicate date"),
        pa.Check(lambda t: ~(t["date"] < t["date"].shift()), error="dates not in ascending order"),
        pa.Check(
            lambda t: _near(t["close"], t["close"].shift()) & _near(t["close"].shift(), t["close"]),
            error="close moves by a factor of more than e in a day; is it in the same unit?",
        ),
    ],
    strict=True,
)
"""A fear index: one level per day, in percent a year."""


@dataclass(frozen=True)
class _Fault:
    """One broken rule, how often and where first."""

    what: str
    count: int
    where: str

    def __str__(self) -> str:
        return f"{self.what} in {self.count} row(s), first {self.where}"


def check_prices(table: pd.DataFrame, source: str) -> pd.DataFrame:
    """Return the long price table, typed and sorted by symbol and date.

    Raises:
        InvalidDataError: The table breaks PRICES_CONTRACT or an instrument has fewer than MIN_ROWS days;
            every fault is named, with its number of rows and the first of them.
    """
    return _check(table, PRICES_CONTRACT, source, more=lambda typed: (*_short_instruments(typed), *_splits(typed)))


def check_fear(table: pd.DataFrame, source: str) -> pd.Series:
    """Return the fear index as levels by date. Raises InvalidDataError naming every fault."""
    checked = _check(table, FEAR_CONTRACT, source, more=lambda _: ())
    return checked.set_index("date")["close"].rename("fear")


def _check(
    table: pd.DataFrame, contract: pa.DataFrameSchema, source: str, more: Callable[[pd.DataFrame], tuple[str, ...]]
) -> pd.DataFrame:
    if twice := sorted(set(table.columns[table.columns.duplicated()])):
        raise InvalidDataError(source, tuple(f"column {name!r} comes twice" for name in twice))
    typed = _typed(table, contract)
    complete = set(contract.columns) <= set(typed.columns)
    faults: tuple[str, ...] = () if len(typed) else ("no rows",)
    try:
        # Rules over several columns cannot be asked of a table that lacks one of them.
        (contract if complete else pa.DataFrameSchema(contract.columns, strict=True)).validate(typed, lazy=True)
    except pa.errors.SchemaErrors as refused:
        faults += _sentences(refused.failure_cases, table)
    if complete:
        faults += more(typed)
    if faults:
        raise InvalidDataError(source, faults)
    order = [name for name in ("symbol", "date") if name in contract.columns]
    return typed[list(contract.columns)].sort_values(order, ignore_index=True)


def _typed(table: pd.DataFrame, contract: pa.DataFrameSchema) -> pd.DataFrame:
    """Give each known column its type; what cannot be read becomes missing, and the contract names it."""
    typed = table.reset_index(drop=True)
    for name in typed.columns.intersection(list(contract.columns)):
        if name == "symbol":
            typed[name] = typed[name].astype("str")
        elif name == "date":
            typed[name] = _dates(typed[name])
        else:
            typed[name] = _floats(typed[name])
    return typed


def _floats(column: pd.Series) -> pd.Series:
    if not pd.api.types.is_numeric_dtype(column):
        column = pd.to_numeric(column.astype("str"), errors="coerce")
    return pd.Series(column.to_numpy(float, na_value=np.nan), index=column.index)


def _dates(column: pd.Series) -> pd.Series:
    if not pd.api.types.is_datetime64_any_dtype(column):
        written = column.astype("str").str.replace(TIME_ZONE, "", regex=True)
        column = pd.to_datetime(written, format="ISO8601", errors="coerce")
    if column.dt.tz is not None:
        column = column.dt.tz_localize(None)
    return column.astype("datetime64[s]")


def _sentences(cases: pd.DataFrame, table: pd.DataFrame) -> tuple[str, ...]:
    """Turn pandera's failure cases (one per cell) into one sentence per broken rule."""
    sentences: dict[str, None] = {}
    for (context, column, rule), found in cases.groupby(
        ["schema_context", "column", "check"], sort=False, dropna=False
    ):
        if rule == "column_in_schema":
            what = [f"unknown column {name!r}" for name in found["failure_case"]]
        elif rule == "column_in_dataframe":
            what = [f"missing column {name!r}" for name in found["failure_case"]]
        else:
            rule = "missing or not readable" if rule == "not_nullable" else rule  # noqa: PLW2901 (pandera's word, not ours)
            rows = found["index"].dropna().astype(int).unique()
            subject = str(rule) if context == "DataFrameSchema" else f"{column} {rule}"
            what = [str(_Fault(subject, len(rows), _place(table, int(rows.min()))))] if len(rows) else [f"{subject}"]
        sentences.update(dict.fromkeys(what))
    return tuple(sentences)


def _place(table: pd.DataFrame, row: int) -> str:
    """Name a row the way its owner finds it: instrument, date as written, row number after the heading."""
    names = [str(table[name].iloc[row]) for name in ("symbol", "date") if name in table.columns]
    return " ".join([*names, f"(row {row + 1})"])


def _short_instruments(table: pd.DataFrame) -> tuple[str, ...]:
    rows = table["symbol"].value_counts(sort=False)
    return tuple(f"{symbol}: {n} rows, at least {MIN_ROWS} are needed" for symbol, n in rows.items() if n < MIN_ROWS)


def _splits(table: pd.DataFrame) -> tuple[str, ...]:
    """Return one sentence for each ratio by which prices jump overnight, in ordinary trading, as a split makes them."""
    before, usual = _previous(table, "close"), _usual_volume(table)
    sound = (before > 0) & (table["open"] > 0) & (table["close"] > 0)
    opened, closed = (np.log((table[name] / before).where(sound, 1.0).to_numpy()) for name in ("open", "close"))
    found = []
    for shares in SPLITS:
        for factor, said in ((1 / shares, f"{2 * shares:g}:2" if shares % 1 else f"{shares:g}:1"), (shares, "")):
            like = np.maximum(np.abs(opened - math.log(factor)), np.abs(closed - math.log(factor))) <= _LIKE_A_SPLIT
            rows = np.flatnonzero(like & ~(table["volume"] * factor > _EXCITED * usual))
            if len(rows):
                said = said or (f"2:{2 * shares:g}" if shares % 1 else f"1:{shares:g}")  # noqa: PLW2901 the reverse
                what = (
                    f"open and close at {factor:.3g} of the close before, a split of {said} that is not adjusted for?"
                )
                found.append(str(_Fault(what, len(rows), _place(table, int(rows[0])))))
    return tuple(found)
