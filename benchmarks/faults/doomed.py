"""The product's canary flow in a process that can be told where to die; a deployment names it as its entrypoint."""

from benchmarks.faults.crossings import arm
from firstflight.settings import Settings
from flows.canary import canary

__all__ = ["canary"]

arm(Settings())
