"""Following a log through growth, rotation, truncation and loss."""

import random
from pathlib import Path

import pytest

from firstflight.observation import log_file
from firstflight.observation.log_file import Position, read


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the log will be."""
    return tmp_path / "access.jsonl"


def follow(path: Path, position: Position) -> tuple[list[bytes], Position]:
    """Read until there is nothing new."""
    lines: list[bytes] = []
    while True:
        chunk = read(path, position)
        lines += chunk.lines
        position = chunk.position
        if not chunk.full:
            return lines, position


def append(path: Path, *lines: str) -> None:
    """Write lines as the gateway does."""
    with path.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def test_no_log_yet(path: Path) -> None:
    """Before the gateway's first line there is nothing, and the position says so."""
    assert ([], Position()) == follow(path, Position())
    path.touch()
    assert ([], Position()) == follow(path, Position())


def test_growth_is_read_once(path: Path) -> None:
    """Each line is read once; half a line is left until it is whole."""
    append(path, "a", "b")
    first, position = follow(path, Position())
    with path.open("a") as file:
        file.write("half")
    second, position = follow(path, position)
    append(path, " whole", "c")
    third, _ = follow(path, position)
    assert ([b"a", b"b"], [], [b"half whole", b"c"]) == (first, second, third)


def test_half_a_first_line_waits(path: Path) -> None:
    """A file is not known before its first line is whole."""
    path.write_text("half")
    lines, position = follow(path, Position())
    assert ([], Position()) == (lines, position)
    append(path, " whole")
    assert [b"half whole"] == follow(path, position)[0]


def test_rotation_by_rename(path: Path) -> None:
    """What was written before the rename, and after it into the old file, is read before the new file."""
    append(path, "a", "b")
    _, position = follow(path, Position())
    append(path, "c")
    old = path.with_name("access.jsonl.1")
    path.rename(old)
    append(old, "d")
    between, position = follow(path, position)
    append(old, "e")
    append(path, "f")
    after, _ = follow(path, position)
    assert ([b"c", b"d"], [b"e", b"f"]) == (between, after)


def test_several_rotations_while_nobody_read(path: Path) -> None:
    """After a long absence every rotated file is read, oldest first."""
    append(path, "a")
    _, position = follow(path, Position())
    for number, name in enumerate(("b", "c", "d")):
        append(path, name)
        path.rename(path.with_name(f"access.jsonl.2026-01-0{number + 1}"))
    append(path, "e")
    assert [b"b", b"c", b"d", b"e"] == follow(path, position)[0]


def test_copy_and_truncate(path: Path) -> None:
    """A log that is copied and emptied goes on in the copy, then from its new beginning, however long it grew."""
    append(path, "a", "b")
    _, position = follow(path, Position())
    append(path, "c")
    path.with_name("access.jsonl.1").write_bytes(path.read_bytes())
    path.write_text("")
    append(path, "longer than all of before", "e")
    assert [b"c", b"longer than all of before", b"e"] == follow(path, position)[0]


def test_a_lost_file_is_told(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """When the file that was being read is gone, reading starts over and the loss is logged."""
    append(path, "a", "b")
    _, position = follow(path, Position())
    path.write_text("c\n")
    assert [b"c"] == follow(path, position)[0]
    assert "is gone" in caplog.text


def test_a_lost_tail_starts_the_file_over(path: Path) -> None:
    """A file that is shorter than what was read, after a crash of the machine, is read again from its start."""
    append(path, "first", "second", "third")
    _, position = follow(path, Position())
    path.write_text("first\nsec\n")
    append(path, "new")
    assert [b"first", b"sec", b"new"] == follow(path, position)[0]


def test_chunks_and_monsters(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading goes in bounded pieces; a line longer than a piece is passed on cut, and what follows is read."""
    monkeypatch.setattr(log_file, "CHUNK_BYTES", 64)
    append(path, *(f"line {number}" for number in range(50)), "x" * 500, "after")
    lines, position = follow(path, Position())
    assert [f"line {number}".encode() for number in range(50)] == lines[:50]
    assert [b"x" * 64, b"after"] == lines[50:]
    with path.open("a") as file:
        file.write("y" * 300)
    assert ([], position) == follow(path, position)


@pytest.mark.parametrize("seed", range(5))
def test_no_line_is_lost_whatever_happens(path: Path, seed: int) -> None:
    """Under a random course of writing, rotating and reading, every line is read exactly once, in order."""
    luck = random.Random(seed)  # repeatable
    position = Position()
    written, seen = [], []
    rotations = 0
    for number in range(200):
        act = luck.choice(("write", "write", "read", "rotate"))
        if act == "write":
            written.append(f"{number}".encode())
            append(path, f"{number}")
        elif act == "read":
            lines, position = follow(path, position)
            seen += lines
        elif path.exists():
            rotations += 1
            path.rename(path.with_name(f"access.jsonl.{rotations}"))
    seen += follow(path, position)[0]
    assert written == seen
