"""Truths as people tell them: rows of JSON, CSV or Parquet, read whole or refused with the fault of each.

A row names a `request`, or a `model` and a `unit` of it, and has a `truth`; `payoff`, `time` and `block` if known.
"""

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from firstflight.domain.errors import InvalidDataError
from firstflight.domain.metrics import JsonValue
from firstflight.observation.access_log import LONGEST_ANSWER, said
from firstflight.observation.records import Outcome
from firstflight.observation.store import BATCH, PredictionStore, Result

FIELDS = ("request", "model", "unit", "block", "truth", "payoff", "time")
MOST_FAULTS = 20


def tell(url: str, rows: Sequence[Mapping[str, JsonValue]]) -> list[Result]:
    """Tell the prediction store at `url` what turned out to be true, and return what became of each row.

    It may be repeated: what was told before counts once. `Settings().database("firstflight")` is the local stack's.

    Raises:
        InvalidDataError: A row is malformed; nothing of `rows` was stored.
        StoreUnavailableError: The database did not answer; tell it again.
    """
    return PredictionStore(url).tell(outcomes(rows))


def outcomes(
    rows: JsonValue | Sequence[Mapping[str, JsonValue]], source: str = "outcomes", first: int = 0
) -> list[Outcome]:
    """Return the rows as outcomes; the first of them is called row `first`.

    Raises:
        InvalidDataError: One of them is malformed; each is named with its fault.
    """
    if not isinstance(rows, Sequence) or isinstance(rows, str):
        raise InvalidDataError(source, ("an array of rows is wanted",))
    read, faults = [], []
    for number, row in enumerate(rows, start=first):
        try:
            read.append(_outcome(row))
        except ValueError as fault:
            faults.append(f"row {number}: {fault}")
    if faults:
        more = len(faults) - MOST_FAULTS
        raise InvalidDataError(source, (*faults[:MOST_FAULTS], *([f"and {more} more"] if more > 0 else [])))
    return read


def batches(path: Path) -> Iterator[list[Outcome]]:
    """Yield the truths of a CSV or Parquet file, whose columns are named as the fields, BATCH of them at a time.

    In CSV a cell that is no JSON is the text it shows, and an empty one is not there.

    Raises:
        InvalidDataError: It is neither, or a row is malformed; the batches before it were yielded.
    """
    rows = _parquet(path) if path.suffix == ".parquet" else _csv(path) if path.suffix == ".csv" else None
    if rows is None:
        raise InvalidDataError(str(path), ("its name ends neither in .csv nor in .parquet",))
    first = 1
    while batch := _next(path, rows, first):
        yield outcomes(batch, str(path), first)
        first += len(batch)


def _next(path: Path, rows: Iterator[dict[str, Any]], first: int) -> list[dict[str, Any]]:
    try:
        return list(islice(rows, BATCH))
    except (ValueError, OSError, NotImplementedError, csv.Error) as error:  # pyarrow's are these, too
        raise InvalidDataError(str(path), (f"it cannot be read from row {first} on: {error}",)) from error


def _outcome(row: object) -> Outcome:
    if not isinstance(row, Mapping):
        raise ValueError("it is no object")  # noqa: TRY004 - a fault of the row, as every other
    if strangers := sorted(set(row) - set(FIELDS)):
        raise ValueError(f"{', '.join(map(repr, strangers))} is none of {', '.join(FIELDS)}")
    names = {name: _name(name, row.get(name)) for name in ("request", "model", "unit", "block")}
    if names["request"] is None and (names["model"] is None or names["unit"] is None):
        raise ValueError("it names neither a request nor a model and a unit")
    if names["request"] is not None and names["model"] is not None:
        raise ValueError("it names a request and a model; a request has its model already")
    if row.get("truth") is None:
        raise ValueError("it has no truth")
    text = json.dumps(row["truth"], allow_nan=False, ensure_ascii=False)
    if len(text.encode()) > LONGEST_ANSWER or "\\u0000" in text:
        raise ValueError(f"its truth is longer than {LONGEST_ANSWER} bytes, or holds a NUL")
    return Outcome(
        rid=names["request"],
        unit=names["unit"],
        block=names["block"],
        truth=row["truth"],
        payoff=_payoff(row.get("payoff")),
        observed_at=_time(row.get("time")),
        route=names["model"],
    )


def _name(field: str, value: object) -> str | None:
    """Return the name as the log of requests keeps it."""
    if value is None:
        return None
    if not isinstance(value, str) or (name := said(value)) is None:
        raise ValueError(f"its {field} is no name: {str(value)[:50]!r}")
    return name


def _payoff(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        raise ValueError(f"its payoff is no finite number: {str(value)[:50]!r}")
    return float(value)


def _time(value: object) -> datetime | None:
    if value is None or isinstance(value, datetime):
        found = value
    elif isinstance(value, str):
        found = datetime.fromisoformat(value)
    else:
        raise ValueError(f"its time is no ISO 8601: {str(value)[:50]!r}")
    if found is not None and found.tzinfo is None:
        raise ValueError("its time has no zone; write 2026-01-31T12:00:00Z")
    try:
        return found and found.astimezone(UTC)  # the database knows no zone beyond 16 hours, ISO 8601 does
    except OverflowError:
        raise ValueError(f"its time lies outside the years 1 to 9999: {str(value)[:50]!r}") from None


def _csv(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file, restkey="more cells than columns"):
            yield {name: _cell(value) if name in {"truth", "payoff"} else value for name, value in row.items() if value}


def _cell(text: str) -> JsonValue:
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        return text
    return value


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    try:
        from pyarrow import parquet  # noqa: PLC0415 - an extra of the package
    except ImportError as error:
        raise InvalidDataError(str(path), ("pyarrow reads Parquet and is missing: `pip install pyarrow`",)) from error
    for batch in parquet.ParquetFile(path).iter_batches(BATCH):
        for row in batch.to_pylist():
            yield {name: value for name, value in row.items() if value is not None}
