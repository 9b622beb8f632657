"""Follow a log that grows and is rotated, from a position that outlives the reader.

A file is known by a digest of its first line (which holds a request id and a time), not by its name or inode:
that holds through rename, copy and truncate, inode reuse and a restored backup.
"""

import hashlib
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

log = logging.getLogger(__name__)

CHUNK_BYTES = 1_000_000
_PACKED = {".gz", ".bz2", ".xz", ".zst"}
_LISTINGS = 3  # a name can slip through a listing while files are being renamed


@dataclass(frozen=True)
class Position:
    """Everything before byte `offset` of the file whose first line has digest `file` was read."""

    file: str = ""
    offset: int = 0


@dataclass(frozen=True)
class Chunk:
    """Whole lines, the position behind them, and whether there may be more at once.

    `lost` says that lines between the last position and these may be gone: the file that was being read is.
    """

    lines: tuple[bytes, ...]
    position: Position
    full: bool = False
    lost: bool = False


def read(path: Path, position: Position) -> Chunk:
    """Return the next lines at or after `position`, in `path` or in the rotated files `path.*` before it.

    A rotated file is left for the next one only when it was read to its end after the next one had begun.
    Where the position's file is gone, reading starts over at the oldest file: records are unique, so that
    is safe, and the loss is told.
    """
    try:
        with path.open("rb") as current:
            if position.file and _identity(current) == position.file:
                return _lines(current, position)
    except FileNotFoundError:
        pass  # not begun yet, or between rename and reopen
    for _ in range(_LISTINGS):
        files = _files(path)
        names = [name for _, name in files]
        if position.file in names:
            return _through(files[names.index(position.file) :], position)
    if not files:
        return Chunk((), position)
    if position.file:
        log.warning("%s: the file read up to byte %d is gone; starting over", path, position.offset)
    return replace(_through(files, Position()), lost=bool(position.file))


def rotated(path: Path) -> list[Path]:
    """Return the files that were put aside before `path`, in no order; packed ones cannot be read and are none."""
    return [file for file in path.parent.glob(f"{path.name}.*") if file.suffix not in _PACKED]


def _files(path: Path) -> list[tuple[Path, str]]:
    """Return the files that have a whole first line, oldest first, each with its identity."""
    dated = []
    for file in (*rotated(path), path):
        try:
            with file.open("rb") as opened:
                name = _identity(opened)
            dated.append((file == path, file.stat().st_mtime_ns, file, name))
        except FileNotFoundError:
            continue  # renamed since it was listed
    return [(file, name) for _, _, file, name in sorted(dated) if name]


def _through(files: list[tuple[Path, str]], position: Position) -> Chunk:
    """Read the first of `files` from `position`, and each that follows from its start, up to the first new line."""
    chunk = Chunk((), position)
    for index, (file, name) in enumerate(files):
        try:
            with file.open("rb") as opened:
                if _identity(opened) != name:
                    return chunk  # rotated since it was listed
                chunk = _lines(opened, chunk.position if index == 0 and position.file else Position(name))
        except FileNotFoundError:
            return chunk
        if chunk.lines:
            return Chunk(chunk.lines, chunk.position, full=chunk.full or index + 1 < len(files))
    return chunk


def _identity(file: BinaryIO) -> str:
    """Return the digest of the first line, empty when it is not whole yet."""
    file.seek(0)
    line = file.readline(CHUNK_BYTES)
    whole = line.endswith(b"\n") or len(line) == CHUNK_BYTES
    return hashlib.sha256(line).hexdigest() if whole else ""


def _lines(file: BinaryIO, position: Position) -> Chunk:
    """Read on from `position`; from the start where no line ends there, since the file lost its tail in a crash."""
    offset = position.offset
    if offset > 0:
        file.seek(offset - 1)
        if file.read(1) != b"\n":
            offset = 0
    file.seek(offset)
    data = file.read(CHUNK_BYTES)
    full = len(data) == CHUNK_BYTES
    end = data.rfind(b"\n") + 1
    lines = tuple(line for line in data[:end].split(b"\n") if line)
    if end == 0 and full:  # a line longer than any record: its beginning is passed on, to be refused
        end = CHUNK_BYTES + _rest_of_line(file)
        lines = (data[:100],) if end > CHUNK_BYTES else ()
    return Chunk(lines, Position(position.file, offset + (end if lines else 0)), full=full and bool(lines))


def _rest_of_line(file: BinaryIO) -> int:
    """Return the number of bytes up to and with the next line end, 0 when there is none yet."""
    length = 0
    while piece := file.readline(CHUNK_BYTES):
        length += len(piece)
        if piece.endswith(b"\n"):
            return length
    return 0
