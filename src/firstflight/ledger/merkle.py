"""The Merkle tree of RFC 6962: one hash stands for all leaves in their order, and short proofs tell of parts.

https://www.rfc-editor.org/rfc/rfc6962#section-2.1, checked as https://www.rfc-editor.org/rfc/rfc9162#section-2.1 says.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256

EMPTY = sha256(b"").digest()
"""The root of a tree without leaves."""


def leaf_hash(leaf: bytes) -> bytes:
    """Return the hash of one leaf."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node above two others; no leaf has it."""
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """A growing tree as the roots of the full subtrees it consists of, widest first: one for each bit of `size`.

    Raises ValueError when `peaks` are not as many as `size` leaves have.
    """

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size, self.peaks = size, list(peaks)
        if size.bit_count() != len(self.peaks):
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} full subtrees, not {len(self.peaks)}")

    def add(self, leaf: bytes) -> None:
        """Add the hash of one more leaf."""
        left = self.size
        while left & 1:
            leaf = node_hash(self.peaks.pop(), leaf)
            left >>= 1
        self.peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the hash that stands for all leaves so far."""
        if not self.peaks:
            return EMPTY
        root = self.peaks[-1]
        for peak in self.peaks[-2::-1]:
            root = node_hash(peak, root)
        return root


class Tree:
    """All nodes above `leaves`, which are hashes, for proofs about any of them."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.size = len(leaves)
        self._levels = [list(leaves)]
        while len(below := self._levels[-1]) > 1:
            self._levels.append([node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])

    def root(self, size: int | None = None) -> bytes:
        """Return the root over the first `size` leaves, or all."""
        return self._root(0, self.size if size is None else size)

    def inclusion(self, index: int, size: int | None = None) -> tuple[bytes, ...]:
        """Return what shows that leaf `index` is one of the first `size`."""
        return tuple(self._path(index, 0, self.size if size is None else size))

    def consistency(self, old: int, size: int | None = None) -> tuple[bytes, ...]:
        """Return what shows that the first `size` leaves begin with the first `old`."""
        size = self.size if size is None else size
        return tuple(self._growth(old, 0, size, known=True)) if 0 < old < size else ()

    def _root(self, begin: int, end: int) -> bytes:
        width = end - begin
        if width == 0:
            return EMPTY
        level = width.bit_length() - 1
        left = self._levels[level][begin >> level]
        full = 1 << level
        return left if full == width else node_hash(left, self._root(begin + full, end))

    def _path(self, index: int, begin: int, end: int) -> list[bytes]:
        if end - begin <= 1:
            return []
        middle = begin + _left(end - begin)
        if index < middle:
            return [*self._path(index, begin, middle), self._root(middle, end)]
        return [*self._path(index, middle, end), self._root(begin, middle)]

    def _growth(self, old: int, begin: int, end: int, *, known: bool) -> list[bytes]:
        if old == end:
            return [] if known else [self._root(begin, end)]
        middle = begin + _left(end - begin)
        if old <= middle:
            return [*self._growth(old, begin, middle, known=known), self._root(middle, end)]
        return [*self._growth(old, middle, end, known=False), self._root(begin, middle)]


def _left(width: int) -> int:
    """Return how many of `width` leaves, two or more, lie left: the largest power of two below it."""
    return 1 << (width - 1).bit_length() - 1


def includes(root: bytes, size: int, index: int, leaf: bytes, proof: Sequence[bytes]) -> bool:
    """Return whether `proof` shows that the tree of `root` and `size` has the leaf of hash `leaf` at `index`."""
    if not 0 <= index < size:
        return False
    place, last = index, size - 1
    for one in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            leaf = node_hash(one, leaf)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            leaf = node_hash(leaf, one)
        place, last = place >> 1, last >> 1
    return last == 0 and leaf == root


def extends(old_root: bytes, old: int, root: bytes, size: int, proof: Sequence[bytes]) -> bool:
    """Return whether `proof` shows that the tree of `root` and `size` begins with that of `old_root` and `old`."""
    if old > size:
        return False
    if old in {0, size}:
        return not proof and old_root == (root if old else EMPTY)
    path = [old_root, *proof] if old.bit_count() == 1 else [*proof]
    if not path or not proof:
        return False
    place, last = old - 1, size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    before = after = path[0]
    for one in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            before, after = node_hash(one, before), node_hash(one, after)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            after = node_hash(after, one)
        place, last = place >> 1, last >> 1
    return last == 0 and before == old_root and after == root
