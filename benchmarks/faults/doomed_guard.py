"""The product's guard in a process that can be told where to die."""

from benchmarks.faults.crossings import arm
from firstflight.cli.main import main
from firstflight.settings import Settings

if __name__ == "__main__":
    arm(Settings())
    main()
