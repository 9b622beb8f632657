"""Truths as people tell them: all that can be read is, and what cannot is named."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstflight.domain.errors import InvalidDataError
from firstflight.observation.records import Outcome
from firstflight.observation.told import batches, outcomes

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_a_row_names_a_request_or_a_unit() -> None:
    """The truth is any JSON value; what is not told is not there."""
    rows = [
        {"request": "r1", "truth": "cat", "payoff": 2, "time": "2026-01-31T12:00:00Z", "block": "day"},
        {"model": "churn", "unit": "u1", "truth": [0, 1]},
    ]
    expected = [
        Outcome("r1", None, "day", "cat", 2.0, NOON),
        Outcome(None, "u1", None, [0, 1], None, None, route="churn"),
    ]
    assert expected == outcomes(rows)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (3, "it is no object"),
        ({"truth": 1}, "it names neither a request nor a model and a unit"),
        ({"unit": "u", "truth": 1}, "it names neither a request nor a model and a unit"),
        ({"request": "r", "model": "m", "truth": 1}, "it names a request and a model; a request has its model already"),
        ({"request": "r"}, "it has no truth"),
        ({"request": "r", "truth": None}, "it has no truth"),
        ({"request": 7, "truth": 1}, "its request is no name: '7'"),
        ({"request": "", "truth": 1}, "its request is no name: ''"),
        ({"request": "r", "truth": "x" * 300}, "its truth is longer than 256 bytes, or holds a NUL"),
        ({"request": "r", "truth": "\x00"}, "its truth is longer than 256 bytes, or holds a NUL"),
        ({"request": "r", "truth": 1, "payoff": True}, "its payoff is no finite number: 'True'"),
        ({"request": "r", "truth": 1, "payoff": float("inf")}, "its payoff is no finite number: 'inf'"),
        ({"request": "r", "truth": 1, "payoff": 10**400}, f"its payoff is no finite number: {str(10**400)[:50]!r}"),
        ({"request": "r", "truth": 1, "time": "2026-01-31"}, "its time has no zone; write 2026-01-31T12:00:00Z"),
        ({"request": "r", "truth": 1, "time": 5}, "its time is no ISO 8601: '5'"),
        (
            {"request": "r", "truth": 1, "time": "0001-01-01T00:00:00+23:00"},
            "its time lies outside the years 1 to 9999: '0001-01-01T00:00:00+23:00'",
        ),
        (
            {"request": "r", "truth": 1, "label": 2},
            "'label' is none of request, model, unit, block, truth, payoff, time",
        ),
    ],
)
def test_a_malformed_row_is_named_with_its_fault(row: Any, fault: str) -> None:
    """By its place, beside every other that is."""
    with pytest.raises(InvalidDataError) as refused:
        outcomes([{"request": "r", "truth": 1}, row, {}])
    assert (f"row 1: {fault}", "row 2: it names neither a request nor a model and a unit") == refused.value.faults


def test_a_zone_that_the_database_does_not_know_is_none_of_its_business() -> None:
    """It refused the whole batch, and the door asked to send it again, for ever."""
    [told] = outcomes([{"request": "r", "truth": 1, "time": "2026-01-01T10:00:00+16:00"}])
    assert "2025-12-31T18:00:00+00:00" == told.row["time"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda of: st.lists(of) | st.dictionaries(st.text(), of),
    ).filter(lambda rows: rows != [])
)
def test_nothing_but_a_fault_comes_of_nonsense(rows: Any) -> None:
    """Whatever JSON holds."""
    with pytest.raises(InvalidDataError):
        outcomes(rows)


def test_a_csv_is_read_by_its_columns(tmp_path: Path) -> None:
    """A cell that is no JSON is text, one that is empty is not there; a fault is named by its row."""
    path = tmp_path / "labels.csv"
    path.write_text('request,truth,payoff,time\nr1,cat,,\nr2,1,0.5,2026-01-31T12:00:00Z\nr3,"""7""",,\n')
    [found] = batches(path)
    assert ["cat", 1, "7"] == [one.truth for one in found]
    assert [None, 0.5, None] == [one.payoff for one in found]
    assert NOON == found[1].observed_at
    path.write_text("request,truth\nr1,1\nr2\n")
    with pytest.raises(InvalidDataError, match="row 2: it has no truth"):
        list(batches(path))


def test_a_parquet_file_is_read_alike(tmp_path: Path) -> None:
    """Its types are its own."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet  # noqa: PLC0415 - as above

    path = tmp_path / "labels.parquet"
    table = pyarrow.table({"request": ["r1", "r2"], "truth": [0, 1], "payoff": [None, 2.5], "time": [NOON, None]})
    parquet.write_table(table, path)
    [found] = batches(path)
    assert [Outcome("r1", None, None, 0, None, NOON), Outcome("r2", None, None, 1, 2.5, None)] == found


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("latin.csv", b"request,truth\nr1,caf\xe9\n", "utf-8"),
        ("long.csv", b"request,truth\nr1," + 200_000 * b"x", "field limit"),
        ("half.parquet", b"PAR1xx", "6 bytes"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_as_such(tmp_path: Path, name: str, content: bytes, fault: str) -> None:
    """Not by a trace of whatever reads it."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidDataError, match=f"{name}: 1 fault.*: it cannot be read from row 1 on: .*{fault}"):
        list(batches(tmp_path / name))


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    """By what its name ends in."""
    with pytest.raises(InvalidDataError, match=r"neither in \.csv nor in \.parquet"):
        list(batches(tmp_path / "labels.xlsx"))
