"""Each record as one sentence, for terminals, the report and people at 3 a.m."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.wording import visible
from firstflight.ledger.record import Record
from firstflight.rollout.machine import UNREADABLE, Arms

Body = dict[str, Any]
_RUN = re.compile(r"\b([0-9a-f]{8})-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b")


def _split(body: Body) -> str:
    return str(TrafficSplit.model_validate(body["split"]))


def _is_of_a_test(body: Body) -> bool:
    """Whether a record belongs to an A/B test; of stages and checks only newer ones say so."""
    return body.get("activity") == "ab_test"


def _started(body: Body) -> str:
    arms = Arms.model_validate(body["arms"])
    tried = ", ".join(version.served_name for version in arms.candidates)
    what = "A/B test" if _is_of_a_test(body) else "canary"
    return f"{what} {body['rollout']} started: {tried} against {arms.stable.served_name}"


def _answered(body: Body) -> str:
    verb = "approved" if body["decision"] == "approve" else "rejected"
    return f"{body['approver']} {verb} the {body['stage']} % stage: {body['comment'] or 'no comment'}"


def _trained(body: Body) -> str:
    told = [
        f"version {one['version']['number']} ({name}) {'passed' if one['passed'] else 'refused'}"
        for name, one in body["variants"].items()
    ]
    return f"trained and judged offline: {', '.join(told)}"


SENTENCES: dict[str, Callable[[Body], str]] = {
    "champion.first": lambda body: (
        f"version {body['champion']['number']} ({body['champion']['variant']}) is the first champion"
    ),
    "rollout.started": _started,
    "driver.attached": lambda body: f"took over from {actor_name(body['before'])}",
    "driver.detached": lambda body: f"its process was told to end; another has {body['seconds']:,.0f} s to go on",
    "rollout.held": lambda body: (
        f"held where it stands: its run was suspended; it goes on at Resume, or home in {body['seconds']:,.0f} s"
    ),
    "stage.intended": lambda body: (
        f"dividing traffic: {_split(body)}" if _is_of_a_test(body) else f"moving to {body['stage']} %"
    ),
    "stage.entered": lambda body: f"the router reports {_split(body)}",
    "stage.passed": lambda body: (
        "the A/B test has run its length" if _is_of_a_test(body) else f"stage {body['stage']} % passed"
    ),
    "approval.asked": lambda body: f"approval wanted before {body['stage']} %: {body['link']}",
    "approval.answered": _answered,
    "promotion.ordered": lambda body: (
        f"{body['approver']} wants it promoted at once, for stable is failing: {body['comment'] or 'no comment'}"
    ),
    "promotion.intended": lambda body: f"promoting {body['candidate']}",
    "bake.started": lambda body: (
        f"version {body['champion']['number']} is champion; version {body['before']['number']} stays warm meanwhile"
    ),
    "rollback.intended": lambda body: f"rolling back ({body['trigger']})",
    "rollout.promoted": lambda body: f"promoted: {_split(body)}",
    "rollout.rolled_back": lambda body: f"rolled back, the router reports {_split(body)}",
    "rollout.compared": lambda body: f"compared, the router reports {_split(body)}",
    "freeze.begun": lambda body: f"frozen: {body['reason']}",
    "freeze.lifted": lambda body: f"freeze lifted: {body['reason']}",
    "check": lambda body: (
        f"check {'of the A/B test' if _is_of_a_test(body) else 'at {stage} %'.format(**body['look'])}: "
        f"{body['decision']['verdict']}"
    ),
    "comparison": lambda body: f"compared {', '.join(sorted({row['variant'] for row in body['comparison']['rows']}))}",
    "trained": _trained,
    "compared": lambda body: f"the A/B test recommends {body['chosen'] or 'none of the variants'}",
}


def sentence(record: Record) -> str:
    """What `record` says, in one line whatever people wrote; one without a sentence, or spoiled, says its kind."""
    return visible(_sentence(record))


def _sentence(record: Record) -> str:
    if record.kind == "driver.attached" and record.body.get("before") == record.actor:
        return "the run goes on where it stood"
    try:
        return SENTENCES[record.kind](record.body) if record.kind in SENTENCES else record.kind
    except UNREADABLE as error:
        return f"{record.kind}, which cannot be read: {' '.join(repr(error).split())[:200]}"


def of_run(records: Iterable[Record], run: str) -> tuple[Record, ...]:
    """Return those of a model's records, in order, that tell of rollouts in which `run` had a hand."""
    parts: list[list[Record]] = [[]]
    for record in records:
        if record.kind == "rollout.started":
            parts.append([])
        parts[-1].append(record)
    before, *rollouts = parts
    mine = [part for part in rollouts if any(run in {record.actor, record.body.get("run")} for record in part)]
    return (*(record for record in before if record.actor == run), *(record for part in mine for record in part))


def actor_name(actor: str) -> str:
    """Return who wrote a record, for people: a flow run by the first part of its id."""
    return _RUN.sub(lambda found: f"run {found[1]}", actor)


def reasons(record: Record) -> tuple[str, ...]:
    """Why, in whole sentences, a line each; empty for a record that needs none, or is spoiled."""
    return tuple(map(visible, _reasons(record)))


def _reasons(record: Record) -> tuple[str, ...]:
    try:
        if record.kind == "check":
            return tuple(map(str, record.body["decision"]["reasons"]))
        if record.kind == "trained":
            return tuple(f"{name}: {why}" for name, one in record.body["variants"].items() for why in one["reasons"])
        return tuple(map(str, record.body.get("reasons", ())))
    except UNREADABLE:
        return ()
