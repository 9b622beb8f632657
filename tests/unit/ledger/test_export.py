"""A ledger as a file: what was written is read, and what is something else is named by its line."""

from pathlib import Path

import pytest

from firstflight.domain.errors import LedgerError
from firstflight.ledger.checkpoint import Signer
from firstflight.ledger.export import ExportedTree, write
from firstflight.ledger.memory import MemoryRecordStore, MemoryTree


@pytest.fixture
def tree() -> MemoryTree:
    """A tree of two records, sealed apart, and one that nobody has sealed."""
    store = MemoryRecordStore()
    tree = MemoryTree(store)
    for seal in (lambda: tree.seal(None), lambda: tree.seal(Signer.new()), lambda: None):
        store.append("s", "any", {"text": "ä\u2028", "huge": 10**40, "float": 1.0}, actor="a")
        seal()
    return tree


def test_a_file_is_the_tree_that_was_written(tree: MemoryTree, tmp_path: Path) -> None:
    """Every head, every sealed record, byte for byte what is hashed."""
    path = tmp_path / "ledger.jsonl"
    with path.open("w", encoding="utf-8") as file:
        assert 2 == write(tree, file)
    read = ExportedTree(path)
    assert tree.heads() == read.heads()
    assert list(tree.entries()) == list(read.entries())


def test_a_place_without_its_record_stays_one(tree: MemoryTree, tmp_path: Path) -> None:
    """Whoever took a record out of the database before the export is not helped by it."""
    path = tmp_path / "ledger.jsonl"
    tree._entries[1] = gone = type(tree._entries[1])(1, "s", 2, tree._entries[1].hash, None)
    with path.open("w", encoding="utf-8") as file:
        write(tree, file)
    assert gone == list(ExportedTree(path).entries())[1]


@pytest.mark.parametrize(
    ("number", "line"),
    [(1, "{}"), (2, '{"head": {"size": 1}}'), (4, "[]"), (4, '{"index": 0}'), (4, "no JSON")],
)
def test_a_line_that_is_something_else_is_named(tree: MemoryTree, tmp_path: Path, number: int, line: str) -> None:
    """Which line, of which file, and what writes such files."""
    path = tmp_path / "ledger.jsonl"
    with path.open("w", encoding="utf-8") as file:
        write(tree, file)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[: number - 1], line, *lines[number:]]))
    with pytest.raises(LedgerError, match=rf"line {number} of .*ledger.jsonl is not what `firstflight audit export`"):
        (ExportedTree(path).heads(), list(ExportedTree(path).entries()))
