"""Read and write the rollouts of a model in the ledger."""

import logging
from typing import Any

from firstflight.decision.verdicts import Decision
from firstflight.domain.errors import LedgerError, RolloutError, UnreadableRecordError
from firstflight.domain.samples import Look
from firstflight.ledger.record import Record, RecordStore
from firstflight.rollout.machine import BEGINS, UNREADABLE, Rollout, checks_stream, follow, rollouts, stream
from firstflight.rollout.story import sentence

log = logging.getLogger(__name__)


def models(ledger: RecordStore) -> list[str]:
    """Return the names of all models that the ledger tells of."""
    return [name.removeprefix("rollout/") for name in ledger.streams("rollout/")]


def history(ledger: RecordStore, model: str) -> tuple[Rollout, ...]:
    """Return every rollout of `model`, oldest first."""
    return rollouts(ledger.read(stream(model)))


def current(ledger: RecordStore, model: str) -> Rollout | None:
    """Return the last rollout of `model`, open or ended; those before it are not read."""
    before = None
    while records := ledger.tail(stream(model), BEGINS, before):
        if told := rollouts(records):
            return told[-1]
        before = records[0].number  # nobody can read how it began
    return None


def of_run(ledger: RecordStore, run: str) -> tuple[Rollout, ...]:
    """Return the rollouts that flow run `run` started or drives, over all models."""
    told = (rollout for model in models(ledger) for rollout in history(ledger, model))
    return tuple(rollout for rollout in told if run in {rollout.run, rollout.driver})


def last_rollouts(ledger: RecordStore) -> tuple[Rollout, ...]:
    """Return the last rollout of each model that has had one; a stream that the database cannot give hides no others.

    Raises StoreUnavailableError when the database is away.
    """
    found = []
    for model in models(ledger):
        try:
            found.append(current(ledger, model))
        except LedgerError as error:
            log.error("%s: its records cannot be read: %s", model, error)
    return tuple(rollout for rollout in found if rollout is not None)


def open_rollouts(ledger: RecordStore) -> tuple[Rollout, ...]:
    """Return every rollout that has not ended, over all models."""
    return tuple(rollout for rollout in last_rollouts(ledger) if not rollout.final)


def reread(ledger: RecordStore, rollout: Rollout) -> Rollout:
    """Return `rollout` as its records tell it now."""
    if (last := current(ledger, rollout.model)) is not None and last.id == rollout.id:
        return last
    for told in history(ledger, rollout.model):
        if told.id == rollout.id:
            return told
    raise RolloutError(f"the ledger has no rollout {rollout.id}; is this the database it was started in?")


def checks(ledger: RecordStore, rollout: Rollout) -> tuple[tuple[Look, Decision], ...]:
    """Return every check of `rollout` that can be read, oldest first: the look and what was decided on it."""
    found = []
    for record in ledger.read(checks_stream(rollout)):
        if record.kind == "check":
            try:
                found.append((look_in(record), Decision.model_validate(record.body["decision"])))
            except (UnreadableRecordError, *UNREADABLE) as error:
                log.error("%s: check %d is left out: %s", rollout.id, record.number, error)
    return tuple(found)


def look_in(record: Record) -> Look:
    """Return the look that a check judged; raises UnreadableRecordError."""
    try:
        return Look.model_validate(record.body["look"])
    except UNREADABLE as error:
        raise UnreadableRecordError(f"record {record.number} of {record.stream} holds no look: {error}") from error


def append(
    ledger: RecordStore, rollout: Rollout, kind: str, body: dict[str, Any], *, actor: str | None = None
) -> Rollout:
    """Append one record to the rollout and return what follows.

    Raises HeadMovedError when somebody else wrote first: read the rollout again before acting.
    """
    record = ledger.append(stream(rollout.model), kind, body, actor=actor or rollout.driver, expect=rollout.head)
    log.info("%s: %s", rollout.id, sentence(record))
    return follow(rollout, record)
