"""What a fire drill can break, what that stands for, and how soon the candidate has to be home."""

from typing import Literal

from pydantic import Field

from firstflight.domain.faults import Fault
from firstflight.domain.values import Value

FaultName = Literal["errors", "latency", "inverted", "driver", "disk", "candidate", "gateway"]

LEASE_SECONDS = 6.0
"""The lease of the drill's own driver; a real one's is `settings.lease_seconds`, and the promise grows with it."""
FAST_SECONDS = 5.0
"""From a blatant fault to the decision: one round of the guard, or one check of the driver, and the log's delay."""
OUTCOME_SECONDS = 10.0
"""From a wrong answer to the decision, where only truths can tell and come a moment later."""
GATEWAY_SECONDS = 10.0
"""The same while the router itself is being started again."""
HOME_SECONDS = 5.0
"""From the decision to the proof that no request reaches the candidate."""


class Promise(Value):
    """Longest time from the fault to the decision, and from there to the proof, in seconds."""

    decided: float = Field(gt=0)
    verified: float = Field(default=HOME_SECONDS, gt=0)


class DrillFault(Value):
    """One fault. `runtime` is what the candidate's own runtime does wrong, None for a sound candidate.

    `shared` says that clients of every route meet it, production's included.
    """

    name: FaultName
    does: str
    simulates: str
    promise: Promise
    runtime: Fault | None = None
    shared: bool = False


def faults(guard_seconds: float) -> dict[FaultName, DrillFault]:
    """Return every fault by name, in the order of a drill; the guard goes a round every `guard_seconds`."""
    lease_lost = Promise(decided=LEASE_SECONDS + 2 * guard_seconds + 1)
    known = (
        DrillFault(
            name="errors",
            does="the candidate answers every request with 500",
            simulates="a release that cannot answer at all",
            promise=Promise(decided=FAST_SECONDS),
            runtime=Fault(kind="errors"),
        ),
        DrillFault(
            name="latency",
            does="the candidate waits 800 ms before each answer",
            simulates="a release that is too slow, and right",
            promise=Promise(decided=FAST_SECONDS),
            runtime=Fault(kind="latency", milliseconds=800),
        ),
        DrillFault(
            name="inverted",
            does="the candidate answers 1 - probability; the drill's truths are what the stable model says",
            simulates="a model that answers fast, without errors, and wrong. That each answer is wrong is the drill's "
            "doing: on real truths the same fault takes as long as `firstflight plan` says",
            promise=Promise(decided=OUTCOME_SECONDS),
            runtime=Fault(kind="inverted"),
        ),
        DrillFault(
            name="driver",
            does=f"the driver's process gets SIGKILL; its lease lasts {LEASE_SECONDS:g} s",
            simulates="a worker or its machine that is gone: only the guard is left to act",
            promise=lease_lost,
        ),
        DrillFault(
            name="disk",
            does="no file can be written by the driver's process from then on (RLIMIT_FSIZE 0)",
            simulates="a full disk as the driver meets it, with EFBIG in the place of ENOSPC. The guard's, the "
            "router's and the database's own disk stays as it is",
            promise=lease_lost,
        ),
        DrillFault(
            name="candidate",
            does="the candidate's server gets SIGKILL, again each time that it is back",
            simulates="a server that crashes or is killed for its memory",
            promise=Promise(decided=FAST_SECONDS),
        ),
        DrillFault(
            name="gateway",
            does="Envoy gets SIGKILL while every answer of the candidate is an error",
            simulates="a router that dies in the middle of a bad release, its counters with it",
            promise=Promise(decided=GATEWAY_SECONDS),
            runtime=Fault(kind="errors"),
            shared=True,
        ),
    )
    return {fault.name: fault for fault in known}


def alone() -> tuple[FaultName, ...]:
    """Return the faults that nobody meets but the clients of the drill's own route."""
    return tuple(name for name, fault in faults(guard_seconds=1).items() if not fault.shared)
