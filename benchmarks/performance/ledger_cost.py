"""What it costs to know a model's open rollout after many records, beside after few.

    python -m benchmarks.performance.ledger_cost postgresql://…/an_empty_database

It fills the database with rollouts that ended and one that is open, and measures `reread` and `open_rollouts` at each
size. Times are the least of several repeats; only their ratios travel to another machine.
"""

import json
import sys
import time
from collections.abc import Callable

import psycopg

from firstflight.acts.ledger_view import history, open_rollouts, reread
from firstflight.ledger.sql import SqlRecordStore
from tests.unit.acts.test_ledger_view import HOME
from tests.unit.rollout.test_machine import started

SIZES = (10, 10_000)
REPEATS = 30


def grow(url: str, head: int, records: int) -> None:
    """Let ended rollouts, three records each, and one that is open follow record `head`, up to so many."""
    rows = []
    for number in range(head + 1, records, 3):
        kinds = (
            ("rollout.started", started(number=number).body),
            ("driver.attached", {}),
            ("rollout.rolled_back", HOME),
        )
        rows += [("rollout/m", number + n, kind, json.dumps(body)) for n, (kind, body) in enumerate(kinds)]
    last = len(rows) + head + 1
    rows.append(("rollout/m", last, "rollout.started", json.dumps(started(number=last).body)))
    with psycopg.connect(url) as connection:
        insert = "INSERT INTO ledger VALUES (%s, %s, clock_timestamp(), %s, 'run-1', %s)"
        connection.cursor().executemany(insert, rows)


def least(act: Callable[[], object]) -> float:
    """Return the least milliseconds of REPEATS."""
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        act()
        times.append(1000 * (time.perf_counter() - begun))
    return min(times)


def main() -> None:
    """Print what each costs at each size."""
    ledger = SqlRecordStore(sys.argv[1])
    for size in SIZES:
        grow(sys.argv[1], ledger.head("rollout/m"), size)
        rollout = history(ledger, "m")[-1]
        again, every = least(lambda told=rollout: reread(ledger, told)), least(lambda: open_rollouts(ledger))  # type: ignore[misc]  # a lambda's default has no type
        print(f"{size:>6} records: reread {again:.1f} ms, open_rollouts {every:.1f} ms")


if __name__ == "__main__":
    main()
