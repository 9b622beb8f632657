"""What served at a time, as the ledger tells it: which version, on what evidence, and who said yes."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from pydantic import AwareDatetime

from firstflight.acts.ledger_view import models
from firstflight.domain.errors import NotFoundError
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.values import Value
from firstflight.domain.versions import ModelVersion
from firstflight.ledger.record import Record, RecordStore
from firstflight.rollout.machine import BEGINS, UNREADABLE, Rollout, checks_stream, rollouts, stream
from firstflight.rollout.story import actor_name, reasons, sentence

_ANSWERS = frozenset({"approval.answered", "promotion.ordered"})


class Served(Value):
    """A version that had traffic: `share` in percent, as the router reported it at `since`.

    `rollout` is the one that tried it, None for a model's first; its last check up to then says `evidence`, `approvals`
    is what people answered in it.
    """

    version: ModelVersion
    share: int
    since: AwareDatetime
    rollout: str | None
    checks: int
    evidence: tuple[str, ...]
    approvals: tuple[str, ...]


def served_at(ledger: RecordStore, model: str, when: datetime) -> tuple[Served, ...]:
    """Return what served `model` at `when`, the largest share first.

    Raises:
        NotFoundError: The ledger does not say: it tells nothing of the model up to then.
    """
    records = [record for record in ledger.read(stream(model)) if record.at <= when]
    parts = _parts(records)
    found = [(record, split) for record in records if (split := _split(record, parts)) is not None]
    if not found:
        raise NotFoundError(
            f"the ledger does not say what served {model} at {when:%Y-%m-%d %H:%M:%S} UTC: nothing before"
        )
    last, split = found[-1]
    known = _versions(records, parts)
    shares = sorted(((name, share) for name, share in split.weights.items() if share), key=lambda one: -one[1])
    return tuple(_served(ledger, known[name], share, last, parts, when) for name, share in shares if name in known)


def story_of(ledger: RecordStore, rollout: str) -> tuple[Record, ...]:
    """Return every record of a rollout, its checks among them, by time; raises NotFoundError."""
    for model in models(ledger):
        for told, records in _parts(ledger.read(stream(model))):
            if told.id == rollout:
                return tuple(sorted((*records, *ledger.read(checks_stream(told))), key=lambda record: record.at))
    raise NotFoundError(f"the ledger has no rollout {rollout}: `firstflight history MODEL` names a model's")


def _parts(records: Iterable[Record]) -> list[tuple[Rollout, list[Record]]]:
    """Return every rollout that can be read, with its records."""
    parts: list[list[Record]] = []
    for record in records:
        if record.kind == BEGINS:
            parts.append([])
        if parts:
            parts[-1].append(record)
    return [(told[0], part) for part in parts if (told := rollouts(part))]


def _split(record: Record, parts: Sequence[tuple[Rollout, list[Record]]]) -> TrafficSplit | None:
    """Return what the router reported when `record` was written, if it says so."""
    try:
        if record.kind == "champion.first":
            return TrafficSplit.all_to(ModelVersion.model_validate(record.body["champion"]).served_name)
        if record.kind == "bake.started":
            return next(told.split_at(100) for told, part in parts if record in part)
        if record.kind in {"stage.entered", "rollout.promoted", "rollout.rolled_back", "rollout.compared"}:
            return TrafficSplit.model_validate(record.body["split"])
    except (*UNREADABLE, StopIteration):
        return None
    return None


def _versions(records: Sequence[Record], parts: Sequence[tuple[Rollout, list[Record]]]) -> dict[str, ModelVersion]:
    first = [record.body["champion"] for record in records if record.kind == "champion.first"]
    taking_part = [version for told, _ in parts for version in (told.arms.stable, *told.arms.candidates)]
    return {one.served_name: one for one in (*map(ModelVersion.model_validate, first), *taking_part)}


def _served(
    ledger: RecordStore,
    version: ModelVersion,
    share: int,
    last: Record,
    parts: Sequence[tuple[Rollout, list[Record]]],
    when: datetime,
) -> Served:
    tried = [(told, part) for told, part in parts if version in told.arms.candidates]
    if not tried:
        return Served(version=version, share=share, since=last.at, rollout=None, checks=0, evidence=(), approvals=())
    told, part = tried[-1]
    checks = [one for one in ledger.read(checks_stream(told)) if one.kind == "check" and one.at <= when]
    answers = [
        f"{one.at:%Y-%m-%d %H:%M:%S} UTC: {sentence(one)} ({actor_name(one.actor)})"
        for one in part
        if one.kind in _ANSWERS
    ]
    evidence = (sentence(checks[-1]), *reasons(checks[-1])) if checks else ()
    return Served(
        version=version,
        share=share,
        since=last.at,
        rollout=told.id,
        checks=len(checks),
        evidence=evidence,
        approvals=tuple(answers),
    )
