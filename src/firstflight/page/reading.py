"""The ledger as the page reads it: each record once, for as long as it is among those last asked for."""

import threading
from collections import OrderedDict
from datetime import datetime

from firstflight.acts.ledger_view import last_rollouts, look_in, models
from firstflight.comparison.compare import Comparison
from firstflight.decision.verdicts import Decision
from firstflight.domain.errors import NotFoundError, UnreadableRecordError
from firstflight.ledger.record import Record, RecordStore
from firstflight.page.view import Check, Home, RolloutView, rollout_view
from firstflight.rollout.freeze import STREAM, freezes
from firstflight.rollout.machine import UNREADABLE, Rollout, checks_stream, rollouts, stream

_KEPT = 16
"""Streams that are remembered: a page or two of a person, and whoever looks over their shoulder."""


class Reading:
    """Reads a ledger for many readers at once; raises StoreUnavailableError when it is away."""

    def __init__(self, ledger: RecordStore) -> None:
        """Read nothing yet."""
        self.ledger = ledger
        self._lock = threading.Lock()
        self._records: OrderedDict[str, list[Record]] = OrderedDict()
        self._checks: OrderedDict[str, tuple[int, list[Check], Comparison | None]] = OrderedDict()

    def home(self) -> Home:
        """Return what there is to see."""
        now = self.ledger.now()
        return Home.of(last_rollouts(self.ledger), freezes(self.ledger.read(STREAM)), now)

    def history(self, model: str) -> tuple[Rollout, ...]:
        """Return the rollouts of a model, newest first. Raises NotFoundError when there are none."""
        if told := rollouts(self._stream(stream(model))):
            return told[::-1]
        known = ", ".join(models(self.ledger)) or "none yet"
        raise NotFoundError(f"the ledger has no rollout of {model!r}; models it has some of: {known}")

    def find(self, word: str) -> Rollout:
        """Return the newest rollout whose id or run is `word`; raises NotFoundError."""
        for model in models(self.ledger):
            for rollout in reversed(rollouts(self._stream(stream(model)))):
                if word in {rollout.id, rollout.run, rollout.driver}:
                    return rollout
        raise NotFoundError(f"the ledger has no rollout {word!r}")

    def view(self, word: str) -> RolloutView:
        """Return what the page of a rollout shows now. Raises NotFoundError."""
        rollout = self.find(word)
        checks, comparison = self._made(rollout)
        return rollout_view(
            rollout,
            self._stream(stream(rollout.model)),
            checks,
            self.ledger.now(),
            freezes=self.ledger.read(STREAM),
            comparison=comparison,
        )

    def heads(self, rollout: Rollout) -> tuple[int, ...]:
        """Return what changes whenever the page of `rollout` does, but for the time."""
        return tuple(map(self.ledger.head, (stream(rollout.model), checks_stream(rollout), STREAM)))

    def now(self) -> datetime:
        """Return the time by which records are dated."""
        return self.ledger.now()

    def _stream(self, name: str) -> tuple[Record, ...]:
        with self._lock:
            known = self._records.pop(name, [])
            known += self.ledger.read(name, after=known[-1].number if known else 0)
            if known:
                self._records[name] = known
            while len(self._records) > _KEPT:
                self._records.popitem(last=False)
            return tuple(known)

    def _made(self, rollout: Rollout) -> tuple[tuple[Check, ...], Comparison | None]:
        name = checks_stream(rollout)
        with self._lock:
            head, checks, comparison = self._checks.pop(name, (0, [], None))
            for record in self.ledger.read(name, after=head):
                head = record.number
                try:
                    if record.kind == "check":
                        checks.append(Check.made(look_in(record), Decision.model_validate(record.body["decision"])))
                    elif record.kind == "comparison":
                        comparison = Comparison.model_validate(record.body["comparison"])
                except (UnreadableRecordError, *UNREADABLE):
                    continue  # the others tell what they tell; `verify` names the one
            self._checks[name] = head, checks, comparison
            while len(self._checks) > _KEPT:
                self._checks.popitem(last=False)
            return tuple(checks), comparison
