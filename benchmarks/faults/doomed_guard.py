"""The product's guard in a process that can be told where to die."""

from benchmarks.faults.crossings import arm
from firstflight.cli.guard import guard
from firstflight.settings import Settings

if __name__ == "__main__":
    arm(Settings())
    guard(seconds=None, as_json=False)
