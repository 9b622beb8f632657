"""How a report tells the decisions of each stage and the answers of people."""

from collections.abc import Sequence

from firstflight.acts.ledger_view import checks
from firstflight.decision.verdicts import Decision, MetricVerdict, Verdict
from firstflight.domain.plans import ABTestPlan
from firstflight.domain.samples import NoData
from firstflight.domain.wording import number
from firstflight.ledger.record import Record, RecordStore
from firstflight.report.data import Approval, MetricRow, StageDecision
from firstflight.rollout.machine import Phase, Rollout


def decisions(ledger: RecordStore, told: Sequence[Rollout]) -> tuple[StageDecision, ...] | NoData:
    """Return the last decision of each stage of each rollout, with how many checks led to it, and when it was held."""
    found: list[StageDecision] = []
    for rollout in told:
        stages: dict[int, list[Decision]] = {}
        for look, decision in checks(ledger, rollout):
            made = stages.setdefault(look.stage, [])
            held_before = bool(made) and made[-1].verdict is Verdict.HOLD
            made.append(decision)
            when = look.at
            label = "A/B test" if isinstance(rollout.plan, ABTestPlan) else f"{look.stage} %"
            if decision.verdict.decides or (decision.verdict is Verdict.HOLD and not held_before):
                found.append(_stage(label, when, stages[look.stage]))
    return tuple(found) or NoData(reason="No stage was decided.")


def _stage(label: str, at: object, made: list[Decision]) -> StageDecision:
    last = made[-1]
    return StageDecision.model_validate(
        {
            "stage": label,
            "at": at,
            "verdict": last.verdict.value,
            "checks": len(made),
            "reasons": last.reasons,
            "metrics": tuple(_row(row) for row in last.metrics),
        }
    )


def _row(row: MetricVerdict) -> MetricRow:
    scale = 100.0 if row.unit == "share" else 1.0
    unit = " %" if row.unit == "share" else f" {row.unit}" if row.unit else ""

    def figure(value: float | None) -> str:
        return "–" if value is None else f"{number(value * scale)}{unit}"

    held = [f"limit {figure(row.limit)}"] if row.limit is not None else []
    held += [f"margin {figure(row.margin)}"] if row.margin is not None else []
    return MetricRow(
        metric=row.metric,
        stable=figure(row.stable),
        candidate=figure(row.candidate),
        interval=f"{row.interval_of}: {figure(row.low)} to {figure(row.high)}",
        held_to=", ".join(held) or "not worse than stable",
        status=row.status.replace("_", " "),
    )


def approvals(records: Sequence[Record], rollout: Rollout) -> tuple[Approval, ...] | NoData:
    """Return every question put to people, and what came of it."""
    asked: dict[int, Approval] = {}
    for record in records:
        if record.kind == "approval.asked":
            asked[record.body["stage"]] = Approval(stage=f"{record.body['stage']} %", asked_at=record.at)
        elif record.kind == "approval.answered" and record.body["stage"] in asked:
            asked[record.body["stage"]] = asked[record.body["stage"]].model_copy(
                update={
                    "answered_at": record.at,
                    "approver": record.body["approver"],
                    "decision": record.body["decision"],
                    "comment": record.body["comment"],
                }
            )
    if not asked:
        return NoData(reason="The plan asks nobody, or the rollout ended before it did.")
    if rollout.phase is Phase.ROLLED_BACK:
        return tuple(one if one.decision else one.model_copy(update={"decision": "expired"}) for one in asked.values())
    return tuple(asked.values())
