"""Freezes: times in which no rollout may begin and none may raise traffic. Going home is always allowed.

A freeze window has a beginning and an end; stopping the line is a freeze from now on, without an end. Both are
records of one stream, so the ledger tells who froze, why, and who lifted it.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Self

from pydantic import AwareDatetime, model_validator

from firstflight.domain.values import Value
from firstflight.ledger.record import Record

STREAM = "freezes"
BEGUN, LIFTED = "freeze.begun", "freeze.lifted"


class Freeze(Value):
    """`by` froze from `since` up to `until` (None: until it is lifted), and why."""

    by: str
    reason: str
    since: AwareDatetime
    until: AwareDatetime | None = None

    @model_validator(mode="after")
    def _runs_forward(self) -> Self:
        if not self.reason.strip():
            raise ValueError("a freeze needs a reason: people will ask")
        if self.until is not None and self.until <= self.since:
            raise ValueError(f"freeze ends at {self.until}, must be after its beginning at {self.since}")
        return self

    def holds_at(self, now: datetime) -> bool:
        """Whether `now` lies inside."""
        return self.since <= now and (self.until is None or now < self.until)

    def __str__(self) -> str:
        end = f"until {self.until:%Y-%m-%d %H:%M} UTC" if self.until else "until it is lifted"
        return f"frozen by {self.by} since {self.since:%Y-%m-%d %H:%M} UTC {end}: {self.reason}"


def freezes(records: Iterable[Record]) -> tuple[Freeze, ...]:
    """Return the freezes that have not been lifted, oldest first; past and future ones included."""
    return tuple(freeze for freeze, _ in _standing(records))


def _standing(records: Iterable[Record]) -> list[tuple[Freeze, datetime]]:
    """Return each with when it was written down."""
    standing: list[tuple[Freeze, datetime]] = []
    for record in records:
        if record.kind == BEGUN:
            standing.append((_freeze(record), record.at))
        elif record.kind == LIFTED:
            standing.clear()
    return standing


def _freeze(record: Record) -> Freeze:
    """Return what `record` froze; one that cannot be read holds until it is lifted, for somebody wanted to stop."""
    try:
        return Freeze.model_validate(record.body)
    except ValueError:
        return Freeze(by=record.actor, reason=f"record {record.number} cannot be read", since=record.at)


def frozen(records: Iterable[Record], now: datetime) -> Freeze | None:
    """Return the freeze that holds at `now`, the one that ends last; None when there is none.

    A clock that was set back to before a freeze was written down does not lift it.
    """
    holding = [freeze for freeze, written in _standing(records) if freeze.holds_at(max(now, written))]
    return max(holding, key=lambda freeze: (freeze.until is None, freeze.until or freeze.since), default=None)
