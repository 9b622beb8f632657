"""What catches whoever cheats: every class of tampering, a thousand of each, and an honest ledger that is left alone.

The checkpoint that was kept covers the whole ledger; whoever cheats may make every hash and every head anew, but has no
key to sign them with.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import pytest

from firstflight.ledger.checkpoint import Signer
from firstflight.ledger.memory import MemoryRecordStore, MemoryTree
from firstflight.ledger.merkle import Frontier, leaf_hash
from firstflight.ledger.tree import Entry
from firstflight.ledger.verify import Claim, verify

Cheat = Callable[[random.Random, list[Entry]], int | None]
EACH = 1000
STREAMS = ("rollout/a", "checks/a", "rollout/b")


def honest() -> tuple[list[Entry], list[Claim]]:
    """A ledger of 24 records that was sealed after every sixth, and what was claimed then."""
    seconds = count()
    store = MemoryRecordStore(lambda: datetime.fromtimestamp(next(seconds), UTC))
    tree, claims = MemoryTree(store), []
    for number in range(1, 25):
        store.append(STREAMS[number % 3], "check", {"n": number, "text": "é"}, actor="run-1")
        if number % 6 == 0:
            head = tree.seal(Signer("log", bytes(32)))
            assert head is not None
            claims.append(Claim(head.size, head.root, "kept"))
    return list(tree.entries()), claims


ENTRIES, CLAIMS = honest()


def anew(entries: list[Entry]) -> None:
    """Make the places, the numbers and the hashes of `entries` what they would be had it always been so."""
    numbers: dict[str, int] = {}
    for at, entry in enumerate(entries):
        assert entry.leaf is not None
        number = numbers[entry.stream] = numbers.get(entry.stream, 0) + 1
        leaf = entry.leaf.replace(f'"number":{entry.number}'.encode(), f'"number":{number}'.encode())
        entries[at] = Entry(at, entry.stream, number, leaf_hash(leaf), leaf)


def edit(chance: random.Random, entries: list[Entry]) -> int:
    """Change one bit of a record."""
    at = chance.randrange(len(entries))
    leaf = bytearray(entries[at].leaf or b"")
    leaf[chance.randrange(len(leaf))] ^= 1 << chance.randrange(8)
    entries[at] = replace(entries[at], leaf=bytes(leaf))
    return at


def unhash(chance: random.Random, entries: list[Entry]) -> int:
    """Change a hash that is kept."""
    at = chance.randrange(len(entries))
    entries[at] = replace(entries[at], hash=chance.randbytes(32))
    return at


def delete(chance: random.Random, entries: list[Entry]) -> int:
    """Take a record away, its place with it or not."""
    at = chance.randrange(len(entries) - 1)
    if chance.random() < 0.5:
        del entries[at]
    else:
        entries[at] = replace(entries[at], leaf=None)
    return at


def insert(chance: random.Random, entries: list[Entry]) -> int:
    """Put a record in that was there before, at another place."""
    at = chance.randrange(len(entries) - 1)
    entries.insert(at, replace(chance.choice(entries[:at] + entries[at + 1 :]), index=at))
    return at


def reorder(chance: random.Random, entries: list[Entry]) -> int:
    """Let two records change places, which are given them anew or not."""
    first, second = sorted(chance.sample(range(len(entries)), 2))
    entries[first], entries[second] = entries[second], entries[first]
    if chance.random() < 0.5:
        entries[first] = replace(entries[first], index=first)
        entries[second] = replace(entries[second], index=second)
    return first


def truncate(chance: random.Random, entries: list[Entry]) -> int:
    """Take the last records away."""
    left = chance.randrange(len(entries))
    del entries[left:]
    return left


def rewrite(chance: random.Random, entries: list[Entry]) -> int:
    """Edit, delete, insert or reorder, and make every hash, number and place anew."""
    at = chance.randrange(len(entries) - 1)
    match chance.choice(["edit", "delete", "insert", "reorder"]):
        case "edit":
            entries[at] = replace(entries[at], leaf=(entries[at].leaf or b"").replace(b"run-1", b"run-2"))
        case "delete":
            del entries[at]
        case "insert":
            entries.insert(at, replace(entries[at], leaf=(entries[at].leaf or b"").replace(b"run-1", b"run-2")))
        case "reorder":
            entries[at], entries[at + 1] = entries[at + 1], entries[at]
    anew(entries)
    return at


@pytest.mark.parametrize("cheat", [edit, unhash, delete, insert, reorder, truncate, rewrite])
def test_every_tampering_is_found_and_its_place_named(cheat: Cheat) -> None:
    """A thousand of this class, drawn by one seed: each is found, and the first bad place lies where it says."""
    chance = random.Random(20261130)
    for _ in range(EACH):
        entries = [*ENTRIES]
        at = cheat(chance, entries)
        fault = verify(entries, CLAIMS).fault
        assert fault is not None
        assert at is not None
        assert fault.first <= at <= fault.last, fault
        if cheat in {edit, unhash, delete}:
            assert (at, at) == (fault.first, fault.last)
        assert fault.last - fault.first < (24 if cheat is truncate else 6)


def test_an_honest_ledger_is_left_alone() -> None:
    """Whatever was kept of it, and however far it has grown since."""
    chance = random.Random(20261130)
    for _ in range(EACH):
        kept = chance.sample(CLAIMS, chance.randrange(len(CLAIMS) + 1))
        until = chance.randrange(max((one.size for one in kept), default=0), len(ENTRIES) + 1)
        found = verify(ENTRIES[:until], kept)
        assert (None, until, len(kept)) == (found.fault, found.records, found.claims)
        assert max((one.size for one in kept), default=0) == found.covered


def test_a_split_view_is_found_without_a_record() -> None:
    """Two checkpoints of one size and two roots: somebody was shown another ledger."""
    fault = verify(ENTRIES, [*CLAIMS, Claim(6, bytes(32), "at the auditor's")]).fault
    assert fault is not None
    assert "split view: the first 6 records have two roots" in fault.what
    assert "at the auditor's" in fault.what


def test_a_checkpoint_that_is_not_of_this_ledger_is_found() -> None:
    """One that no record agrees with, though those after it do: the ledger it tells of is another's."""
    fault = verify(ENTRIES, [Claim(5, bytes(32), "elsewhere"), CLAIMS[-1]]).fault
    assert fault is not None
    assert (0, 4) == (fault.first, fault.last)
    assert "record 1 of checks/a or one of the 4 after it" in fault.what


def test_nothing_seen_covers_nothing() -> None:
    """An empty ledger has no fault, no record and no cover; one that should not be empty is cut off."""
    nothing = verify([], [])
    assert (0, 0, None, Frontier().root().hex()) == (nothing.records, nothing.covered, nothing.fault, nothing.root)
    assert "cut off: 24 records were there" in str(verify([], CLAIMS).fault)
