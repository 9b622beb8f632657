"""What it costs to verify an exported ledger, and what an append costs beside a sealer.

    python -m benchmarks.performance.ledger_verify [RECORDS]
    python -m benchmarks.performance.ledger_verify append postgresql://…/a_migrated_database

The first writes that many records (a million by default) to a file and verifies it in a process of its own.
The second appends while nobody seals and while somebody does all the time, by turns: only the ratio travels.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread

from firstflight.acts.audit import audit
from firstflight.ledger.checkpoint import Checkpoint, Signer
from firstflight.ledger.export import ExportedTree, write
from firstflight.ledger.memory import MemoryRecordStore, MemoryTree
from firstflight.ledger.merkle import Frontier
from firstflight.ledger.sql import SqlRecordStore
from firstflight.ledger.sql_tree import SqlTree
from firstflight.ledger.tree import Entry, Head, Row, head, placed

RECORDS, STREAMS, APPENDS, TURNS = 1_000_000, 1000, 50, 6
BODY = '{"decision":{"verdict":"continue"},"look":{"stage":5},"padding":"' + 400 * "x" + '"}'


class Long(MemoryTree):
    """A tree of so many records, made as they are read; its one head is signed."""

    def __init__(self, records: int) -> None:
        super().__init__(MemoryRecordStore())
        self._records = records
        self.signer = Signer("log", bytes(32))

    def entries(self) -> Iterator[Entry]:
        """Yield each, a check of one of many rollouts."""
        begun = datetime(2026, 1, 1, tzinfo=UTC)
        for n in range(self._records):
            at = begun + timedelta(seconds=n)
            yield placed(n, Row(f"checks/m-r{n % STREAMS}", n // STREAMS + 1, at, "check", "run-1", BODY))

    def heads(self) -> tuple[Head, ...]:
        """Return the head over all."""
        frontier = Frontier()
        for entry in self.entries():
            frontier.add(entry.hash)
        return (head(frontier, self.signer),)


def verified(path: Path) -> None:
    """Verify the file, and print what that took."""
    signer, tree = Signer("log", bytes(32)), ExportedTree(path)
    begun = time.perf_counter()
    [last] = tree.heads()
    found = audit(tree, [signer.public], [(Checkpoint(signer.name, last.size, last.root), "elsewhere")])
    seconds, peak = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{found.kept:,} records verified in {seconds:.1f} s, {peak:.0f} MiB at most")


def appended(url: str) -> None:
    """Print the median milliseconds of an append without and with a sealer that never rests, and their ratio."""
    store, tree, over = SqlRecordStore(url), SqlTree(url), Event()

    def milliseconds() -> list[float]:
        times = []
        for _ in range(APPENDS):
            begun = time.perf_counter()
            store.append("benchmark", "check", {"text": 400 * "x"}, actor="a")
            times.append(1000 * (time.perf_counter() - begun))
        return times

    def sealing() -> None:
        while not over.is_set():
            tree.seal(None)

    alone, beside = [], []
    for _ in range(TURNS):
        alone += milliseconds()
        over.clear()
        sealer = Thread(target=sealing)
        sealer.start()
        beside += milliseconds()
        over.set()
        sealer.join()
    first, second = statistics.median(alone), statistics.median(beside)
    print(f"an append: {first:.1f} ms, beside a sealer that never rests {second:.1f} ms: {second / first:.2f} times")


def main() -> None:
    """Do what the words say."""
    match sys.argv[1:]:
        case ["append", url]:
            appended(url)
        case ["verify", path]:
            verified(Path(path))
        case words:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "ledger.jsonl"
                with path.open("w", encoding="utf-8") as file:
                    write(Long(int(words[0]) if words else RECORDS), file)
                subprocess.run(
                    [sys.executable, "-m", "benchmarks.performance.ledger_verify", "verify", path], check=True
                )


if __name__ == "__main__":
    main()
