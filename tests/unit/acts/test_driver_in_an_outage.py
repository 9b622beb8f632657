"""A driver that cannot reach the ledger lives all the same, and its lease says so."""

from dataclasses import dataclass, replace
from typing import Any

from firstflight.acts.enter_stage import enter_stage
from firstflight.acts.observe import observe
from firstflight.acts.start import resume_or_start
from firstflight.decision.decide import Verdict
from firstflight.domain.errors import StoreUnavailableError
from firstflight.ledger.record import Record, RecordStore
from tests.unit.acts.twin import MODEL, PLAN, Twin

OUTAGE_SECONDS = 55.0
"""Longer than a lease, shorter than the plan's patience."""


@dataclass
class Away:
    """A ledger that does not answer from `since` until `until`, by the twin's clock."""

    twin: Twin
    inner: RecordStore
    since: float
    until: float

    def append(self, stream: str, kind: str, body: dict[str, Any], *, actor: str, expect: int | None = None) -> Record:
        """Append, when there is somebody to append to."""
        return self._store().append(stream, kind, body, actor=actor, expect=expect)

    def read(self, stream: str, after: int = 0) -> tuple[Record, ...]:
        """Read, when there is something to read from."""
        return self._store().read(stream, after)

    def head(self, stream: str) -> int:
        """The last record's number."""
        return self._store().head(stream)

    def streams(self, prefix: str) -> tuple[str, ...]:
        """Names of streams."""
        return self._store().streams(prefix)

    def _store(self) -> RecordStore:
        if self.since <= self.twin.time.now < self.until:
            raise StoreUnavailableError("the ledger's database did not answer: away")
        return self.inner


def test_the_lease_is_renewed_while_the_ledger_is_away(twin: Twin) -> None:
    """The guard must not take a silent ledger for a silent driver: renewals stay closer than the lease is long."""
    twin.champion()
    plan = PLAN.model_copy(update={"candidate": twin.candidate().number})
    rollout = enter_stage(twin.world, resume_or_start(twin.world, plan, run="run-1"), 10)
    begun = twin.time.now
    ledger = Away(twin, twin.world.ledger, begun + 5, begun + 5 + OUTAGE_SECONDS)
    ages = []

    def wait(seconds: float) -> None:
        twin.wait(seconds)
        ages.append((twin.world.now() - twin.world.leases.held()[MODEL].renewed_at).total_seconds())

    decision = observe(replace(twin.world, ledger=ledger, wait=wait), rollout)
    assert Verdict.PROMOTE is decision.verdict
    assert max(ages) < twin.world.lease_seconds
