"""How long it took until a faulty candidate was home, read from records. Pure."""

from collections.abc import Sequence
from datetime import datetime

from pydantic import AwareDatetime

from firstflight.decision.verdicts import Decision, Verdict
from firstflight.domain.samples import Look
from firstflight.domain.values import Value
from firstflight.drill.faults import Promise
from firstflight.ledger.record import Record
from firstflight.observation.arm_history import Stay

Checks = Sequence[tuple[Look, Decision]]


class Timeline(Value):
    """Moments of one fault; None: it did not come to that.

    `struck`: the fault began: the first request that met a broken runtime, else the moment of the kill or limit.
    `detected`: the check that found it; where no check did (a lost lease, the fast path), the decision itself.
    `decided`: the record `rollback.intended`. The guard moves traffic before it tells the ledger, so the moment
    at which the router was first seen to be home counts instead when that was earlier.
    `quiet`: the last request that was sent to the candidate, when it came after the decision.
    `verified`: the record `rollout.rolled_back`, which holds the proof.
    """

    struck: AwareDatetime
    detected: AwareDatetime | None = None
    decided: AwareDatetime | None = None
    quiet: AwareDatetime | None = None
    verified: AwareDatetime | None = None

    def seconds(self, since: str, until: str) -> float | None:
        """Return the time between two of the moments, by name; None when one of them was not reached."""
        begin, end = getattr(self, since), getattr(self, until)
        return None if begin is None or end is None else (end - begin).total_seconds()


def timeline(
    struck: datetime,
    records: Sequence[Record],
    checks: Checks,
    seen_home: datetime | None,
    last_request: datetime | None,
) -> Timeline:
    """Return the moments of a fault that `struck`.

    Args:
        struck: When the fault began.
        records: The rollout's own records.
        checks: Its looks and the decisions about them.
        seen_home: When the router was first seen to send everything to the stable model.
        last_request: When the last request that was meant for the candidate began.
    """
    by_kind = {record.kind: record.at for record in reversed(records) if record.at >= struck}
    decided = _earliest(by_kind.get("rollback.intended"), seen_home)
    found = next((look.at for look, decision in checks if look.at >= struck and _ends(decision)), None)
    quiet = decided and max(decided, last_request or decided)
    return Timeline(
        struck=struck,
        detected=_earliest(found, decided),
        decided=decided,
        quiet=quiet,
        verified=by_kind.get("rollout.rolled_back"),
    )


def broken(promise: Promise, told: Timeline, given: Stay | None) -> tuple[str, ...]:
    """Return what was not kept or not shown, in sentences; `given` is what the candidate had (None: unknown)."""
    faults = []
    decided, verified = told.seconds("struck", "decided"), told.seconds("decided", "verified")
    if decided is None:
        faults.append(f"nobody decided to go home, at most {promise.decided:g} s promised")
    elif decided > promise.decided:
        faults.append(f"decided after {decided:.1f} s, at most {promise.decided:g} s promised")
    if verified is None:
        faults.append("going home was not proved")
    elif verified > promise.verified:
        faults.append(f"proved {verified:.1f} s after the decision, at most {promise.verified:g} s promised")
    if given is None:
        faults.append("the requests were not counted in time; does the collector run?")
    elif not given.requests:
        faults.append("the candidate was never asked: nothing was put to the test")
    elif not given.after:
        faults.append("nobody was asked after the proof: that the candidate was not shows nothing")
    elif given.late:
        faults.append(f"{given.late} of {given.after} requests reached the candidate after the proof")
    return tuple(faults)


def _ends(decision: Decision) -> bool:
    return decision.verdict in {Verdict.ROLL_BACK, Verdict.INCONCLUSIVE}


def _earliest(*moments: datetime | None) -> datetime | None:
    known = [moment for moment in moments if moment is not None]
    return min(known) if known else None
