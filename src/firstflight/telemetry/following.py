"""What the ledger tells of one model's rollouts, followed record by record: each is read once."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from firstflight.ledger.record import Record
from firstflight.rollout.machine import BEGINS, UNREADABLE, Phase, Rollout, follow

UNTOLD = "rejection"
"""What asked for a roll-back that a person's no began: there is no record of an intent."""
_LONGEST_WORD = 40


@dataclass
class Followed:
    """The last rollout of a model and since when it stands where it does; how its rollouts ended, and what for."""

    rollout: Rollout | None = None
    since: datetime | None = None
    head: int = 0
    ends: Counter[Phase] = field(default_factory=Counter)
    triggers: Counter[str] = field(default_factory=Counter)
    _trigger: str = UNTOLD

    def read(self, records: Iterable[Record]) -> None:
        """Go on with `records`, which follow what was read before."""
        for record in records:
            self._read(record)
            self.head = record.number

    def _read(self, record: Record) -> None:
        before = self.rollout
        if record.kind == BEGINS:
            try:
                self.rollout = Rollout.started(record)
            except UNREADABLE:  # nobody can say where it stands, nor what follows belongs to
                self.rollout = None
            before, self._trigger = None, UNTOLD
        elif before is not None:
            self.rollout = follow(before, record)
            if record.kind == "rollback.intended":
                self._trigger = str(record.body.get("trigger", UNTOLD))[:_LONGEST_WORD]
        now = self.rollout
        if now is None:
            return
        if before is None or (before.phase, before.stage) != (now.phase, now.stage):
            self.since = record.at
            if now.final:
                self.ends[now.phase] += 1
                if now.phase is Phase.ROLLED_BACK:
                    self.triggers[self._trigger] += 1
