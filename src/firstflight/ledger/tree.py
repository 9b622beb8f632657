"""The ledger's tree: every record of every stream is a leaf, in the order in which it was taken in.

Appending knows nothing of it. Whoever seals takes in all records that were committed since, a stream's in their order,
and signs the new head: one transaction, one sealer at a time, and no writer waits. Until then nothing vouches for a
record; nor would a leaf of its own, before a signature covers it.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from firstflight.domain.errors import CheckpointError
from firstflight.ledger.checkpoint import Checkpoint, Signer, opened
from firstflight.ledger.merkle import Frontier, leaf_hash

TAKEN_IN = "ledger.taken_in"
"""The kind of the record that says how many records there were before the tree, and the root over them."""
STREAM = "ledger"


@dataclass(frozen=True, slots=True)
class Row:
    """A record as the store holds it: `body` is its very text, so that no number or blank is another's."""

    stream: str
    number: int
    at: datetime
    kind: str
    actor: str
    body: str

    def leaf(self) -> bytes:
        """Return the record as the bytes that are hashed."""
        told = {
            "actor": self.actor,
            "at": self.at.astimezone(UTC).isoformat(timespec="microseconds"),
            "body": self.body,
            "kind": self.kind,
            "number": self.number,
            "stream": self.stream,
        }
        return canonical_leaf(told)


def canonical_leaf(told: dict[str, Any]) -> bytes:
    """Return canonical JSON (RFC 8785): of texts and one small number, that is what Python writes."""
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Entry:
    """A place of the tree, the hash kept there, and the leaf of the record whose place it is; None: no such record."""

    index: int
    stream: str
    number: int
    hash: bytes
    leaf: bytes | None


@dataclass(frozen=True)
class Head:
    """The tree as it was when somebody sealed it: unsigned where there was no key."""

    size: int
    root: bytes
    peaks: tuple[bytes, ...]
    note: str | None


class SealedStore(Protocol):
    """The tree above the records of a store. Raises StoreUnavailableError when that does not answer."""

    def seal(self, signer: Signer | None, kept: Checkpoint | None = None) -> Head | None:
        """Take in what was appended since, and return the newest head, signed; None while there are no records.

        Raises CheckpointError when what is there is not what this key signed, or less than the last checkpoint that
        was `kept` elsewhere: nothing is signed on that.
        """

    def heads(self) -> tuple[Head, ...]:
        """Return every head, as they were made."""

    def entries(self) -> Iterator[Entry]:
        """Yield every place of the tree in order, one by one."""

    def waiting(self) -> int:
        """Return how many records have no place yet: nothing vouches for them."""


def begin(heads: Iterable[Head], signer: Signer | None, kept: Checkpoint | None) -> tuple[Frontier, Head | None]:
    """Return from where a tree goes on, and the head that is: newest of `heads` first.

    That is the last that `signer` signed; before its first signature nothing is believed but the leaves themselves.
    Without a key it is the last there is: nobody vouches for any. `kept` is the last that was kept elsewhere.

    Raises:
        CheckpointError: What is there is not what was signed, or less of it.
    """
    for one in heads:
        if signer is None:
            return _frontier(one), one
        if one.note is None or not signer.public.signed(one.note):
            continue
        signed, frontier = opened(one.note, [signer.public]), _frontier(one)
        if (signed.size, signed.root) != (one.size, frontier.root()):
            raise CheckpointError(
                f"the ledger's head at {one.size} records is not the one that was signed, of {signed.size}: somebody"
                f" changed it; {_VERIFY}"
            )
        if kept and (signed.size < kept.size or (signed.size == kept.size and signed.root != kept.root)):
            raise CheckpointError(_not_kept(kept, f"{signed.size}, of another root or fewer"))
        return frontier, one
    if kept:
        raise CheckpointError(_not_kept(kept, "none"))
    return Frontier(), None


_VERIFY = "nothing is signed until `firstflight audit verify` says what, and somebody has put it right"


def _not_kept(kept: Checkpoint, found: str) -> str:
    return (
        f"a checkpoint of {kept.size} records was kept elsewhere, the ledger's last signed one is of {found}: it was"
        f" cut off, or restored from a copy that is older; {_VERIFY}"
    )


def _frontier(head: Head) -> Frontier:
    try:
        return Frontier(head.size, head.peaks)
    except ValueError as error:
        raise CheckpointError(f"the ledger's head at {head.size} records is no tree: {error}") from error


def grow(frontier: Frontier, index: int, hashed: bytes) -> None:
    """Add what is kept at `index`; raises CheckpointError when that is not the next place."""
    if index != frontier.size:
        raise CheckpointError(
            f"the ledger's tree has place {index} where {frontier.size} should be: places are missing"
        )
    frontier.add(hashed)


def head(frontier: Frontier, signer: Signer | None) -> Head:
    """Return the head that `frontier` is, signed where there is a key."""
    root = frontier.root()
    note = signer.sign(str(Checkpoint(signer.name, frontier.size, root))) if signer else None
    return Head(frontier.size, root, tuple(frontier.peaks), note)


def placed(index: int, row: Row) -> Entry:
    """Return the place of a record that is taken in."""
    leaf = row.leaf()
    return Entry(index, row.stream, row.number, leaf_hash(leaf), leaf)
