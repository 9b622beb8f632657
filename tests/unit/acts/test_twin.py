"""The twin itself: what it tells is the same wherever it is told."""

import os
import subprocess
import sys

from tests.conftest import ROOT

MINUTE = """
from benchmarks.faults.twin import MODEL, Twin
from firstflight.domain.traffic import TrafficSplit
twin = Twin()
stable, other = twin.champion(), twin.candidate()
twin.backend.splits[MODEL] = TrafficSplit.canary(stable.served_name, other.served_name, 40)
twin.time.now += 60
twin.settle()
print(sorted((name, counts[-1].requests, counts[-1].right) for name, counts in twin.counts.items()))
"""


def test_luck_is_the_same_in_every_process() -> None:
    """A process orders its sets in its own way; nobody's luck hangs on that."""
    path = os.pathsep.join((str(ROOT), str(ROOT / "src")))
    told = [
        subprocess.run(
            [sys.executable, "-c", MINUTE],
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert told[0].strip()
    assert told[0] == told[1]
