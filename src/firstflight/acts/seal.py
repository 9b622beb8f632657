"""Seal the ledger: what was appended since gets its place in the tree, and what is signed is kept elsewhere too."""

import os
from collections.abc import Iterable
from pathlib import Path

from firstflight.domain.errors import CheckpointError
from firstflight.ledger.checkpoint import Checkpoint, PublicKey, Signer, notes_in, opened
from firstflight.ledger.tree import Head, SealedStore


def seal(tree: SealedStore, signer: Signer | None, anchors: Path | None) -> Head | None:
    """Seal what is new and return the newest head; its checkpoint is added to the file `anchors`, where it is not yet.

    Raises:
        CheckpointError: The ledger is not the one that was signed; nothing was, again.
        OSError: The file cannot be read or written; sealing again adds what is missing.
    """
    kept = _last(anchors, signer) if anchors and signer else None
    head = tree.seal(signer, kept)
    if anchors and head and head.note and (kept is None or kept.size != head.size):
        anchors.parent.mkdir(parents=True, exist_ok=True)
        with anchors.open("a", encoding="utf-8") as file:
            file.write(f"{head.note}\n")
            file.flush()
            os.fsync(file.fileno())
    return head


def _last(anchors: Path, signer: Signer) -> Checkpoint | None:
    """Return the largest checkpoint of this key in the file; of an earlier key there may be others."""
    if not anchors.exists():
        return None
    mine = [note for note in notes_in(anchors.read_text(encoding="utf-8")) if signer.public.signed(note)]
    return max((opened(note, [signer.public]) for note in mine), key=lambda one: one.size, default=None)


def kept_in(files: Iterable[Path], keys: Iterable[PublicKey]) -> list[tuple[Checkpoint, str]]:
    """Return every checkpoint in `files`, and in which it is.

    Raises:
        CheckpointError: A file holds none, or one that none of `keys` signed.
    """
    keys, found = tuple(keys), []
    for file in files:
        notes = notes_in(file.read_text(encoding="utf-8"))
        if not notes:
            raise CheckpointError(f"{file} holds no checkpoint: a signed note is wanted, as `audit verify` prints it")
        found += [(opened(note, keys), str(file)) for note in notes]
    return found
