"""The product's guard in a process that can be told where to die."""

import typer

from benchmarks.faults.crossings import arm
from firstflight.cli.guard import guard
from firstflight.settings import Settings

if __name__ == "__main__":
    arm(Settings())
    typer.run(guard)
