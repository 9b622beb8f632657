"""What has to be true of a model, judged from outside: its ledger, its router, and what the bench saw before."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise

from benchmarks.faults.ground import resting_split
from firstflight.domain.errors import BackendUnavailableError, Outage
from firstflight.domain.traffic import TrafficSplit
from firstflight.ledger.record import Record, RecordStore
from firstflight.rollout.machine import Phase, Rollout, checks_stream, rollouts, stream
from firstflight.serving.backend import ServingBackend

_STEADY = {Phase.OBSERVING, Phase.PASSED, Phase.AWAITING_APPROVAL, Phase.BAKING}
_FINAL_KINDS = {"rollout.promoted", "rollout.rolled_back", "rollout.compared"}


@dataclass
class Book:
    """Every record of a model that was ever seen, so that one that is lost or changed is missed."""

    ledger: RecordStore
    model: str
    seen: dict[str, list[Record]] = field(default_factory=lambda: defaultdict(list))

    def refresh(self) -> Rollout | None:
        """Read what is new and return the last rollout, open or ended."""
        records = self._follow(stream(self.model))
        begun = [place for place, record in enumerate(records) if record.kind == "rollout.started"]
        if not begun:
            return None
        [*_, last] = rollouts(records[begun[-1] :])
        self._follow(checks_stream(last))
        return last

    def moved_since(self, moment: float) -> bool:
        """Whether a record has been written after `moment`."""
        return any(records[-1].at.timestamp() > moment for records in self.seen.values() if records)

    def records(self, rollout: Rollout) -> list[Record]:
        """The records of one rollout, without those of its checks."""
        mine, inside = [], False
        for record in self.seen[stream(self.model)]:
            if record.kind == "rollout.started":
                inside = record.body["rollout"] == rollout.id
            if inside:
                mine.append(record)
        return mine

    def losses(self) -> list[str]:
        """What is no longer as it was, and where numbers do not follow each other."""
        found = []
        for name, known in self.seen.items():
            now = list(self.ledger.read(name))
            if now[: len(known)] != known:
                found.append(f"{name}: of {len(known)} records seen, not all are there as they were")
            if [record.number for record in now] != list(range(1, len(now) + 1)):
                found.append(f"{name}: its numbers have gaps")
        return found

    def _follow(self, name: str) -> list[Record]:
        known = self.seen[name]
        known.extend(self.ledger.read(name, after=len(known)))
        return known


def router(backend: ServingBackend, model: str) -> TrafficSplit | None:
    """What the router reports; None while it says nothing."""
    try:
        return backend.get_traffic(model)
    except BackendUnavailableError:
        return None


def at_rest(rollout: Rollout | None, reported: TrafficSplit | None) -> bool:
    """No rollout is open, and the router reports the stable model alone."""
    if rollout is None:
        return reported is not None and reported == TrafficSplit.all_to(reported.stable)
    return rollout.final and reported == resting_split(rollout)


def is_settled(rollout: Rollout | None, reported: TrafficSplit | None) -> bool:
    """At rest, or in a stage that ledger and router agree on; nothing is half done."""
    if at_rest(rollout, reported):
        return True
    return rollout is not None and rollout.phase in _STEADY and rollout.split == reported


def ladder_faults(rollout: Rollout, records: list[Record]) -> list[str]:
    """Where the stages that were intended, entered and passed are not those of the plan, each once, in order."""
    stages = list(rollout.plan.stages) if hasattr(rollout.plan, "stages") else []
    found = []
    for kind in ("stage.intended", "stage.entered", "stage.passed"):
        gone = [record.body["stage"] for record in records if record.kind == kind]
        if gone != stages[: len(gone)]:
            found.append(f"{rollout.id}: {kind} {gone}, the plan says {stages}")
    for record in records:
        if record.kind == "stage.entered":
            wanted = rollout.split_at(record.body["stage"]).model_dump(mode="json")
            if record.body["split"] != wanted:
                found.append(f"{rollout.id}: entered {record.body['stage']} % with {record.body['split']}")
    shortest = timedelta(seconds=getattr(rollout.plan, "min_stage_seconds", 0.0))
    steps = [record for record in records if record.kind in {"stage.entered", "stage.passed"}]
    for first, second in pairwise(steps):
        if (first.kind, second.kind) == ("stage.entered", "stage.passed") and second.at - first.at < shortest:
            found.append(f"{rollout.id}: {first.body['stage']} % lasted {(second.at - first.at).total_seconds():.1f} s")
    ends = [record.kind for record in records if record.kind in _FINAL_KINDS]
    if len(ends) > 1:
        found.append(f"{rollout.id}: ended {len(ends)} times: {ends}")
    if ends == ["rollout.promoted"] and list(rollout.passed) != stages:
        found.append(f"{rollout.id}: promoted after {rollout.passed}, the plan says {stages}")
    return found


def look(book: Book, backend: ServingBackend) -> tuple[Rollout | None, TrafficSplit | None] | None:
    """The ledger's and the router's word; None while the ledger does not answer."""
    try:
        return book.refresh(), router(backend, book.model)
    except Outage:
        return None
