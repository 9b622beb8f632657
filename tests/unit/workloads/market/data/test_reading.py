"""Files are read, or refused because they are missing, cut off or not what their name says."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from firstflight.domain.errors import InvalidDataError
from firstflight.workloads.market.data.reading import data_files, read_file


def _fault(path: Path) -> str:
    with pytest.raises(InvalidDataError) as refused:
        read_file(path)
    assert str(path) == refused.value.source
    return refused.value.faults[0]


def test_a_csv_cut_in_a_number_is_refused(csv_file: Path) -> None:
    """A last line without an end is refused: 2204 could be the beginning of 22042700."""
    csv_file.write_bytes(csv_file.read_bytes()[:-5])
    assert "has no line end; add one if the file is complete" in _fault(csv_file)


@pytest.mark.parametrize("kept", [0, 4, 100, 0.5, -1])
def test_a_cut_parquet_file_is_refused(tmp_path: Path, walk: Callable[..., pd.DataFrame], kept: float) -> None:
    """A Parquet file cut anywhere is refused as unreadable."""
    path = tmp_path / "cut.parquet"
    walk().to_parquet(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    assert _fault(path).startswith("truncated or unreadable: ")


def test_a_cut_gzip_file_is_refused(tmp_path: Path, walk: Callable[..., pd.DataFrame]) -> None:
    """A compressed CSV that was cut is refused."""
    path = tmp_path / "cut.csv.gz"
    walk().to_csv(path, index=False)
    path.write_bytes(path.read_bytes()[:3000])
    assert _fault(path).startswith("truncated or unreadable: ")


@pytest.mark.parametrize(
    "content", [b"", b"a,b\n1,2,3\n4,5,6\n", b"a,b\n1,2\n1,2,3\n", b"\xff\xfe\x00\xd8\n", b'a,b\n"1,2\n3,4\n']
)
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: bytes) -> None:
    """Nothing at all, too many fields, no text and an open quotation mark are refused."""
    path = tmp_path / "odd.csv"
    path.write_bytes(content)
    assert _fault(path).startswith("truncated or unreadable: ")


def test_csv_cells_stay_as_written(tmp_path: Path) -> None:
    """A symbol such as 0005 or NA is not turned into a number or a gap."""
    path = tmp_path / "odd.csv"
    path.write_text("Symbol\n0005\nNA\n")
    assert ["0005", "NA"] == read_file(path)[0]["symbol"].tolist()


def test_an_index_of_a_parquet_file_is_a_column(tmp_path: Path, walk: Callable[..., pd.DataFrame]) -> None:
    """A table written with its dates as index gives the same columns as one without."""
    path = tmp_path / "indexed.parquet"
    walk().set_index("date").to_parquet(path)
    assert "date" in read_file(path)[0].columns


def test_sources_that_hold_no_data_are_refused(tmp_path: Path) -> None:
    """A missing path, another kind of file and an empty folder are each named."""
    (tmp_path / "notes.txt").write_text("x")
    cases = {
        "nothing.csv": "no such file or folder",
        "notes.txt": "not a file that ends in",
        ".": "no file that ends in",
    }
    for name, fault in cases.items():
        with pytest.raises(InvalidDataError, match=fault):
            data_files(tmp_path / name)
