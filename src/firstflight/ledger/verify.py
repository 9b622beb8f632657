"""Hold a ledger against its own hashes, and against checkpoints that were kept where nobody could change them.

One record at a time, in the tree's order; remembered is a root for each checkpoint and a number for each stream.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from firstflight.domain.values import Value
from firstflight.ledger.merkle import EMPTY, Frontier, leaf_hash
from firstflight.ledger.tree import Entry


@dataclass(frozen=True)
class Claim:
    """That the first `size` records have the root `root`; `whence` says who claims it."""

    size: int
    root: bytes
    whence: str


class Fault(Value):
    """What is wrong: the first bad record is one of the places `first` to `last`, counted from 0."""

    first: int
    last: int
    what: str


class Verified(Value):
    """What was looked at, how much of it, and the first thing that is wrong."""

    records: int
    streams: int
    claims: int
    covered: int
    root: str
    fault: Fault | None


def verify(entries: Iterable[Entry], claims: Sequence[Claim]) -> Verified:
    """Return what holds of `entries` until the first bad one, and how many records a claim covers that holds."""
    walk = _Walk(claims)
    fault = walk.split() or walk.at_claim()
    if fault is None:
        for entry in entries:
            if fault := walk.step(entry):
                break
        else:
            fault = walk.rest()
    root = walk.frontier.root().hex()
    counted = walk.frontier.size, len(walk.numbers), walk.held, walk.covered
    records, streams, held, covered = counted
    return Verified(records=records, streams=streams, claims=held, covered=covered, root=root, fault=fault)


class _Walk:
    def __init__(self, claims: Sequence[Claim]) -> None:
        self.frontier, self.numbers = Frontier(), dict[str, int]()
        self.held = self.covered = 0
        self._since = "the first"
        self._claims: dict[int, dict[bytes, list[str]]] = {}
        for one in claims:
            self._claims.setdefault(one.size, {}).setdefault(one.root, []).append(one.whence)

    def split(self) -> Fault | None:
        """Whether two claims of one size differ: the log showed one ledger to some, and another to others."""
        for size, roots in sorted(self._claims.items()):
            if len(roots) > 1:
                told = " and ".join(f"{root.hex()[:16]}… ({', '.join(whence)})" for root, whence in roots.items())
                what = (
                    f"split view: the first {size} records have two roots, {told}: not everybody was shown one ledger"
                )
                return Fault(first=0, last=max(size - 1, 0), what=what)
        return None

    def step(self, entry: Entry) -> Fault | None:
        """Take one entry, and return what is wrong with it."""
        at, number = self.frontier.size, self.numbers.get(entry.stream, 0) + 1
        if entry.index != at:
            what = f"place {at} is missing, moved or doubled: place {entry.index} stands there"
            return Fault(first=min(at, entry.index), last=at, what=what)
        name = f"record {entry.number} of {entry.stream}"
        if entry.number != number:
            what = f"{name} stands where record {number} should: records were deleted, inserted or reordered"
            return Fault(first=at, last=at, what=what)
        if entry.leaf is None:
            return Fault(first=at, last=at, what=f"{name} is missing: it was deleted after it was sealed")
        if (hashed := leaf_hash(entry.leaf)) != entry.hash:
            what = f"{name} is not what was sealed: it, or the hash kept of it, was changed afterwards"
            return Fault(first=at, last=at, what=what)
        if self.covered == at:
            self._since = name
        self.numbers[entry.stream] = number
        self.frontier.add(hashed)
        return self.at_claim()

    def at_claim(self) -> Fault | None:
        """Hold the records so far against what is claimed of so many."""
        size = self.frontier.size
        for root, whence in self._claims.pop(size, {}).items():
            if root != (self.frontier.root() if size else EMPTY):
                or_later = f" or one of the {more} after it" if (more := size - self.covered - 1) > 0 else ""
                what = (
                    f"the first {size} records are not those of the checkpoint {' and '.join(whence)}, and their hashes"
                    f" were made anew: the first bad one is {self._since}{or_later}"
                )
                return Fault(first=self.covered, last=max(size - 1, 0), what=what)
            self.held, self.covered = self.held + len(whence), size
        return None

    def rest(self) -> Fault | None:
        """Whether anything is claimed of more records than there are."""
        if not self._claims:
            return None
        at, size = self.frontier.size, max(self._claims)
        whence = ", ".join(name for names in self._claims[size].values() for name in names)
        what = f"cut off: {size} records were there by the checkpoint {whence}, {at} are left"
        if doubtful := at - self.covered:
            what += f", and nothing vouches for the last {doubtful} of those"
        return Fault(first=self.covered, last=size - 1, what=what)
