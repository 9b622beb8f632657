"""How a report tells the decisions of each stage and the answers of people."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby

from firstflight.acts.ledger_view import checks
from firstflight.decision.verdicts import Decision, Verdict
from firstflight.domain.plans import ABTestPlan
from firstflight.domain.samples import NoData
from firstflight.ledger.record import Record, RecordStore
from firstflight.report.data import Approval, StageDecision
from firstflight.rollout.machine import Rollout


def decisions(ledger: RecordStore, told: Sequence[Rollout]) -> tuple[StageDecision, ...] | NoData | None:
    """Return how each stage of each rollout was decided, and what came after: one value for all looks without news.

    An A/B test that ran its length has its comparison instead.
    """
    found: list[StageDecision] = []
    for rollout in told:
        for stage, looks in groupby(checks(ledger, rollout), key=lambda checked: checked[0].stage):
            made = [_dated(look.at, decision) for look, decision in looks]
            if not isinstance(rollout.plan, ABTestPlan):
                found += _of_stage(f"{stage} %", made)
            elif made[-1].verdict is not Verdict.PROMOTE:
                found += _of_stage("A/B test", made)
    if not found and isinstance(told[-1].plan, ABTestPlan):
        return None
    return tuple(found) or NoData(reason="No stage was decided.")


def _dated(at: datetime, decision: Decision) -> Decision:
    """A decision about the world rather than about metrics does not say when it was made; its look does."""
    return decision.model_copy(update={"at": decision.at or at})


def _of_stage(label: str, made: Sequence[Decision]) -> list[StageDecision]:
    """Return the looks of one stage that said something new; each tells of those after it that did not."""
    news: list[int] = []
    for place, one in enumerate(made):
        if one.verdict is not Verdict.CONTINUE and (not news or one.verdict is not made[news[-1]].verdict):
            news.append(place)
    ends = [*news[1:], len(made)] if news else []  # a person may end a stage that no look had decided
    return [
        StageDecision(stage=label, checks=place + 1, decision=made[place], later=_in_words(made[place + 1 : until]))
        for place, until in zip(news, ends, strict=True)
    ]


def _in_words(more: Sequence[Decision]) -> str:
    """Return what looks without news said, in one sentence; empty when there were none."""
    if not more:
        return ""
    said = ", ".join(f"{count:,} × {verdict}" for verdict, count in Counter(one.verdict.value for one in more).items())
    last = f"; the last at {more[-1].at:%H:%M:%S} UTC: {more[-1].reasons[0]}" if more[-1].reasons else ""
    return f"{len(more):,} more look{'' if len(more) == 1 else 's'} without news: {said}{last}"


def approvals(records: Sequence[Record], rollout: Rollout) -> tuple[Approval, ...] | NoData | None:
    """Return every question put to people and what came of it; None where the plan asks nobody."""
    plan = rollout.plan
    if isinstance(plan, ABTestPlan) or not plan.approvals:
        return None
    asked: dict[int, Approval] = {}
    for record in records:
        stage = record.body.get("stage")
        if record.kind == "approval.asked":
            by = record.at + timedelta(seconds=plan.approval_seconds)
            asked[record.body["stage"]] = Approval(stage=f"{stage} %", asked_at=record.at, answer_by=by)
        elif record.kind == "approval.answered" and stage in asked:
            given = {name: record.body[name] for name in ("approver", "decision", "comment")}
            asked[stage] = asked[stage].model_copy(update={"answered_at": record.at, **given})
    if not asked:
        return NoData(reason="The rollout ended before a stage that a person approves.")
    return tuple(_closed(one, rollout) for one in asked.values())


def _closed(one: Approval, rollout: Rollout) -> Approval:
    """Return the question as it stands: once the rollout has ended, silence has a name."""
    if one.decision is not None or rollout.ended_at is None:
        return one
    return one.model_copy(update={"decision": "expired" if rollout.ended_at >= one.answer_by else "overtaken"})
