"""A ledger as a file of lines, JSON each, for whoever verifies it without the database: heads, then records."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from firstflight.domain.errors import LedgerError
from firstflight.ledger.tree import Entry, Head, SealedStore, canonical_leaf

FORMAT = "firstflight-ledger/1"


def write(tree: SealedStore, file: IO[str]) -> int:
    """Write all that is sealed, and return how many records that were."""
    heads, count = tree.heads(), 0
    size = max((head.size for head in heads), default=0)
    file.write(f"{json.dumps({'format': FORMAT, 'records': size})}\n")
    for head in heads:
        told = {"size": head.size, "root": head.root.hex(), "peaks": [peak.hex() for peak in head.peaks]}
        file.write(f"{json.dumps({'head': {**told, 'note': head.note}})}\n")
    for entry in tree.entries():
        if entry.index >= size:  # taken in since the heads were read
            break
        record = json.loads(entry.leaf) if entry.leaf is not None else None
        named = {} if record else {"stream": entry.stream, "number": entry.number}
        told = {"index": entry.index, "hash": entry.hash.hex(), "record": record, **named}
        file.write(f"{json.dumps(told)}\n")
        count += 1
    return count


class ExportedTree:
    """The tree that `write` wrote to `path`; raises LedgerError, which names the line, where that is something else."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def heads(self) -> tuple[Head, ...]:
        """Return every head, as they were made; they stand before the records."""
        found = []
        for at, told in self._lines():
            if "index" in told:
                break
            if "head" in told:
                with _of_line(self._path, at):
                    head = told["head"]
                    peaks = tuple(map(bytes.fromhex, head["peaks"]))
                    found.append(Head(head["size"], bytes.fromhex(head["root"]), peaks, head["note"]))
        return tuple(found)

    def entries(self) -> Iterator[Entry]:
        """Yield every place of the tree in order, one by one."""
        for at, told in self._lines():
            if "index" in told:
                with _of_line(self._path, at):
                    record = told["record"]
                    named, leaf = (told, None) if record is None else (record, canonical_leaf(record))
                    entry = Entry(told["index"], named["stream"], named["number"], bytes.fromhex(told["hash"]), leaf)
                yield entry

    def _lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        with self._path.open(encoding="utf-8") as lines:
            for at, line in enumerate(lines, start=1):
                with _of_line(self._path, at):
                    told = json.loads(line)
                    if not isinstance(told, dict) or (at == 1 and told.get("format") != FORMAT):
                        raise ValueError(f"{line[:80]!r}, {FORMAT} is wanted")
                yield at, told


@contextmanager
def _of_line(path: Path, at: int) -> Iterator[None]:
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise LedgerError(f"line {at} of {path} is not what `firstflight audit export` writes: {error!r}") from error
