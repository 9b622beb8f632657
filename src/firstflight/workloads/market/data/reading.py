"""Read a CSV or Parquet file, or a folder of them, and say clearly when one is cut off."""

import gzip
import hashlib
import zlib
from io import BytesIO
from pathlib import Path

import pandas as pd

from firstflight.domain.errors import InvalidDataError

UNREADABLE = (OSError, EOFError, ValueError, KeyError, zlib.error)
"""What pandas, pyarrow, gzip and the decoder raise for a file that is cut off or not what its name says."""

ENDINGS = (".csv", ".csv.gz", ".parquet")


def data_files(source: Path) -> tuple[Path, ...]:
    """Return the data files `source` stands for: itself, or those in the folder, by name.

    Raises:
        InvalidDataError: There is no such file or folder, or nothing of a known kind in it.
    """
    if source.is_dir():
        files = tuple(sorted(path for path in source.iterdir() if path.name.lower().endswith(ENDINGS)))
        if not files:
            raise InvalidDataError(str(source), (f"no file that ends in {', '.join(ENDINGS)} in this folder",))
        return files
    if not source.exists():
        raise InvalidDataError(str(source), ("no such file or folder",))
    if not source.name.lower().endswith(ENDINGS):
        raise InvalidDataError(str(source), (f"not a file that ends in {', '.join(ENDINGS)}",))
    return (source,)


def read_file(path: Path) -> tuple[pd.DataFrame, str]:
    """Return the file's table with lower-case column names, and the sha256 of its bytes.

    Raises:
        InvalidDataError: The file cannot be read, or is cut off: a CSV's last line must end, so that a number
            that lost its last digits is not taken for a smaller one.
    """
    try:
        content = path.read_bytes()
        table = _parsed(path, content)
    except UNREADABLE as failed:
        raise InvalidDataError(str(path), (f"truncated or unreadable: {failed or type(failed).__name__}",)) from failed
    return table.rename(columns=lambda name: str(name).strip().lower()), hashlib.sha256(content).hexdigest()


def _parsed(path: Path, content: bytes) -> pd.DataFrame:
    if path.name.lower().endswith(".parquet"):
        table = pd.read_parquet(BytesIO(content))
        return table.reset_index(drop=not any(table.index.names))
    text = gzip.decompress(content) if path.name.lower().endswith(".gz") else content
    if not text:
        raise ValueError("the file is empty")
    if not text.endswith((b"\n", b"\r")):
        last = text.splitlines()[-1].decode(errors="replace")
        raise ValueError(f"the last line {last[-80:]!r} has no line end; add one if the file is complete")
    # As written: the contract types each column; pandas would take the symbol 0005 for 5 and NA for nothing.
    table = pd.read_csv(BytesIO(text), dtype=str, keep_default_na=False, na_values=[""])
    if not isinstance(table.index, pd.RangeIndex):
        raise ValueError("rows have more fields than the heading")  # noqa: TRY004 (the content is wrong, not a type)
    return table
