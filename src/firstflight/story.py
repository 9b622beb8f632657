"""Each record as one sentence, for terminals, the report and people at 3 a.m."""

from collections.abc import Callable
from typing import Any

from firstflight.ledger.record import Record
from firstflight.rollout import Arms
from firstflight.traffic import TrafficSplit

Body = dict[str, Any]


def _reasons(body: Body) -> str:
    return "; ".join(body.get("reasons") or ["no reason given"])


def _split(body: Body) -> str:
    return str(TrafficSplit.model_validate(body["split"]))


def _started(body: Body) -> str:
    arms = Arms.model_validate(body["arms"])
    tried = ", ".join(version.served_name for version in arms.candidates)
    what = "A/B test" if body["activity"] == "ab_test" else "canary"
    return f"{what} {body['rollout']} started: {tried} against {arms.stable.served_name}"


def _answered(body: Body) -> str:
    verb = "approved" if body["decision"] == "approve" else "rejected"
    return f"{body['approver']} {verb} the {body['stage']} % stage: {body['comment'] or 'no comment'}"


def _check(body: Body) -> str:
    decision = body["decision"]
    return f"check at {body['look']['stage']} %: {decision['verdict']}: {_reasons(decision)}"


SENTENCES: dict[str, Callable[[Body], str]] = {
    "champion.first": lambda body: (
        f"version {body['champion']['number']} ({body['champion']['variant']}) is the first champion"
    ),
    "rollout.started": _started,
    "driver.attached": lambda body: f"took over from {body['before']}",
    "stage.intended": lambda body: f"moving to {body['stage']} %",
    "stage.entered": lambda body: f"the router reports {_split(body)}",
    "stage.passed": lambda body: f"stage {body['stage']} % passed: {_reasons(body)}",
    "approval.asked": lambda body: f"approval wanted before {body['stage']} %: {body['link']}",
    "approval.answered": _answered,
    "promotion.intended": lambda body: f"promoting {body['candidate']}",
    "rollback.intended": lambda body: f"rolling back ({body['trigger']}): {_reasons(body)}",
    "rollout.promoted": lambda body: f"promoted: {_split(body)}",
    "rollout.rolled_back": lambda body: f"rolled back, the router reports {_split(body)}",
    "rollout.compared": lambda body: f"compared, the router reports {_split(body)}",
    "check": _check,
}


def sentence(record: Record) -> str:
    """What `record` says, in one line; a kind without a sentence is named as it is."""
    return SENTENCES[record.kind](record.body) if record.kind in SENTENCES else record.kind
