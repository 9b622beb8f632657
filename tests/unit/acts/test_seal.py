"""Sealing, and what is kept elsewhere of it."""

from pathlib import Path

import pytest

from firstflight.acts.seal import kept_in, seal
from firstflight.domain.errors import CheckpointError
from firstflight.ledger.checkpoint import Signer
from firstflight.ledger.memory import MemoryRecordStore, MemoryTree


def test_each_checkpoint_is_kept_once(tmp_path: Path) -> None:
    """Whatever was sealed in between, and also when the process died before it could write it down."""
    store, signer, anchors = MemoryRecordStore(), Signer.new(), tmp_path / "elsewhere" / "kept.txt"
    tree = MemoryTree(store)
    assert seal(tree, signer, anchors) is None
    store.append("s", "first", {}, actor="a")
    for _ in range(2):
        seal(tree, signer, anchors)
    store.append("s", "second", {}, actor="a")
    tree.seal(signer)
    seal(tree, signer, anchors)
    assert [1, 2] == [one.size for one, _ in kept_in([anchors], [signer.public])]


def test_a_ledger_that_was_exchanged_is_not_sealed(tmp_path: Path) -> None:
    """The file elsewhere remembers how large it was."""
    signer, anchors = Signer.new(), tmp_path / "kept.txt"
    for streams in (("s", "t"), ("s",)):
        store = MemoryRecordStore()
        for stream in streams:
            store.append(stream, "first", {}, actor="a")
        tree = MemoryTree(store)
        if len(streams) > 1:
            seal(tree, signer, anchors)
        else:
            with pytest.raises(CheckpointError, match="a checkpoint of 2 records was kept elsewhere"):
                seal(tree, signer, anchors)
            assert () == tree.heads()


def test_another_keys_checkpoints_do_not_count(tmp_path: Path) -> None:
    """A new key goes on below the old one's in the same file; whoever verifies needs both."""
    store, old, new, anchors = MemoryRecordStore(), Signer.new(), Signer.new(), tmp_path / "kept.txt"
    tree = MemoryTree(store)
    store.append("s", "first", {}, actor="a")
    seal(tree, old, anchors)
    seal(tree, new, anchors)
    assert [1, 1] == [one.size for one, _ in kept_in([anchors], [old.public, new.public])]
    with pytest.raises(CheckpointError, match="signed by none of the keys"):
        kept_in([anchors], [new.public])
    (tmp_path / "empty.txt").touch()
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        kept_in([tmp_path / "empty.txt"], [new.public])
