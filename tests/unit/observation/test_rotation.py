"""A log that a stranger writes stays within bounds, and what is lost is told."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from firstflight.domain.errors import BackendUnavailableError
from firstflight.observation.log_file import Position, read
from firstflight.observation.rotation import KEPT, Rotation

LINE = b"x" * 99 + b"\n"


class Writer:
    """Appends to the file that it has open, whatever that is called by now, as Envoy does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = 0
        self.file = path.open("ab", buffering=0)

    def reopen(self) -> None:
        """Go on in the file at the path."""
        self.file.close()
        self.file = self.path.open("ab", buffering=0)

    def write(self, lines: int) -> None:
        """Write so many lines, no two alike."""
        for _ in range(lines):
            self.number += 1
            self.file.write(f"{self.number:099}\n".encode())


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    """A writer of a log."""
    one = Writer(tmp_path / "access.jsonl")
    yield one
    one.file.close()


def test_a_log_is_bounded_and_nothing_that_is_read_in_time_is_lost(writer: Writer) -> None:
    """Put aside when it is long, read on through what was put aside, and no more than so many files."""
    rotation, position, seen = Rotation(writer.path, writer.reopen, most=1000), Position(), []
    for _ in range(4 * KEPT):
        writer.write(12)
        rotation.tend()
        for _ in range(3):
            chunk = read(writer.path, position)
            position = chunk.position
            seen += chunk.lines
            assert not chunk.lost
        assert len(list(writer.path.parent.iterdir())) <= KEPT + 1
    assert [f"{number:099}".encode() for number in range(1, writer.number + 1)] == seen


def test_what_was_dropped_unread_is_told_once(writer: Writer) -> None:
    """The reader was away for longer than the bound allows."""
    rotation = Rotation(writer.path, writer.reopen, most=1000)
    writer.write(12)
    chunk = read(writer.path, Position())
    assert not chunk.lost
    for _ in range(KEPT + 2):
        writer.write(12)
        rotation.tend()
    writer.write(1)
    chunk = read(writer.path, chunk.position)
    assert chunk.lost
    assert not read(writer.path, chunk.position).lost


@pytest.mark.parametrize("packed", [True, False])
def test_a_log_that_was_taken_away_is_begun_anew_and_missed(writer: Writer, *, packed: bool) -> None:
    """By rm, or by gzip at once: a packed file is not read as lines, and the writer fills no nameless file."""
    rotation = Rotation(writer.path, writer.reopen)
    writer.write(3)
    position = read(writer.path, Position()).position
    writer.write(3)
    if packed:
        writer.path.rename(writer.path.with_name("access.jsonl.gz"))
    else:
        writer.path.unlink()
    assert not read(writer.path, position).lost, "nothing is there yet that could be read instead"
    rotation.tend()
    writer.write(2)
    chunk = read(writer.path, position)
    assert (True, 2) == (chunk.lost, len(chunk.lines))


def test_without_a_writer_nothing_is_reopened(tmp_path: Path) -> None:
    """Nor is it an error: one that starts opens the file itself."""

    def away() -> None:
        raise BackendUnavailableError("away")

    Rotation(tmp_path / "access.jsonl", away).tend()
    (tmp_path / "access.jsonl").write_bytes(LINE * 20)
    Rotation(tmp_path / "access.jsonl", away, most=1000).tend()
    assert not (tmp_path / "access.jsonl").exists()
    Rotation(tmp_path / "nowhere" / "access.jsonl", away).tend()
