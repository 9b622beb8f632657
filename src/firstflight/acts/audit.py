"""What an audit finds in the ledger, and how much it looked at: nothing seen proves nothing."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from firstflight.domain.values import Value
from firstflight.ledger.checkpoint import Checkpoint, PublicKey, opened
from firstflight.ledger.tree import Entry, Head
from firstflight.ledger.verify import Claim, Fault, verify


class Sealed(Protocol):
    """A tree to look at, in the database or in a file."""

    def heads(self) -> tuple[Head, ...]:
        """Return every head, as they were made."""

    def entries(self) -> Iterator[Entry]:
        """Yield every place of the tree in order."""


class Audit(Value):
    """What was looked at: how many records a signature covers, and how many a checkpoint `kept` elsewhere."""

    records: int
    streams: int
    root: str
    heads: int
    signed: int
    kept: int
    unknown: int
    fault: Fault | None


def audit(tree: Sealed, keys: Sequence[PublicKey], kept: Sequence[tuple[Checkpoint, str]]) -> Audit:
    """Hold `tree` against its heads, and against the checkpoints `kept` elsewhere, which are verified already."""
    heads, claims, signed, unknown = tree.heads(), [], [0], 0
    for head in heads:
        claims.append(Claim(head.size, head.root, "in the ledger"))
        if head.note is None:
            continue
        if not any(key.signed(head.note) for key in keys):
            unknown += 1
            continue
        told = opened(head.note, keys)
        claims.append(Claim(told.size, told.root, "in the ledger, signed"))
        signed.append(told.size)
    claims += [Claim(one.size, one.root, f"in {whence}") for one, whence in kept]
    found = verify(tree.entries(), claims)
    return Audit(
        records=found.records,
        streams=found.streams,
        root=found.root,
        heads=len(heads),
        signed=max(size for size in signed if size <= found.covered),
        kept=max((one.size for one, _ in kept if one.size <= found.covered), default=0),
        unknown=unknown,
        fault=found.fault,
    )
