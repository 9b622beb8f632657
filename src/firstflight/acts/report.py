"""Gather what a report tells of a run's rollouts: from the ledger, the prediction store and the registry."""

import tempfile
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from firstflight.acts.compare import comparison_in
from firstflight.acts.impact import RollbackImpact, impact_of
from firstflight.acts.ledger_view import checks
from firstflight.acts.report_decisions import approvals, decisions
from firstflight.acts.tell import notices_stream
from firstflight.comparison.compare import Comparison
from firstflight.domain.errors import Outage
from firstflight.domain.plans import ABTestPlan, CanaryPlan
from firstflight.domain.samples import NoData
from firstflight.domain.versions import ModelVersion
from firstflight.domain.wording import duration
from firstflight.ledger.record import Record, RecordStore
from firstflight.observation.history import Bin, History
from firstflight.report.data import (
    Course,
    Event,
    Fact,
    Figure,
    Link,
    ModelCard,
    Notice,
    Outcome,
    ReportData,
    Stage,
    Variant,
)  # fmt: skip
from firstflight.rollout.machine import Phase, Rollout, stream
from firstflight.rollout.story import actor_name, reasons, sentence
from firstflight.world import World

BINS = 120
"""Points along each plot."""
OUTCOMES: dict[Phase, Outcome] = {
    Phase.PROMOTED: "promoted",
    Phase.ROLLED_BACK: "rolled back",
    Phase.COMPARED: "compared",
}
TONES = {
    "stage.passed": "good",
    "rollout.promoted": "good",
    "approval.asked": "warning",
    "rollback.intended": "bad",
    "rollout.rolled_back": "bad",
}
SHOWN_ABOVE = {"stage.passed", "rollout.rolled_back"}
"""Records whose reasons stand elsewhere on the page already: in the decision, or in the record before."""


def report_data(world: World, past: History, told: Sequence[Rollout], links: tuple[Link, ...]) -> ReportData:
    """Return the report of `told`, the rollouts of one run in order; the last one gives it its outcome."""
    last = told[-1]
    records = [record for record in world.ledger.read(stream(last.model)) if _belongs(record, told)]
    since, until = told[0].started_at - timedelta(seconds=2), (last.ended_at or world.now()) + timedelta(seconds=3)
    bins = past.timeline(last.model, since, until, max(1.0, (until - since).total_seconds() / BINS))
    impact = impact_of(world, last)
    versions = _versions(told)
    comparison = _comparison(world.ledger, told)
    return ReportData(
        title=f"{last.model}: {', '.join(version.served_name for version in last.arms.candidates)}",
        model=last.model,
        outcome=OUTCOMES.get(last.phase, "in progress"),
        summary=_summary(last, impact, comparison),
        reasons=last.reasons,
        started_at=told[0].started_at,
        ended_at=last.ended_at,
        written_at=world.now(),
        figures=_figures(told, impact, bins, world.now()),
        links=links,
        variants=_roles(told),
        stages=_stages(records, until),
        timeline=tuple(event(record, told) for record in records if record.kind != "stage.intended"),
        bins=bins,
        guardrails=last.plan.guardrails,
        courses=_courses(world.ledger, last),
        comparison=comparison,
        decisions=decisions(world.ledger, told),
        approvals=approvals(records, last),
        model_cards=_cards(world, versions),
        notices=_notices(world.ledger, told),
        provenance=_provenance(world, versions, last),
        plan=last.plan.model_dump(mode="json"),
    )


def _belongs(record: Record, told: Sequence[Rollout]) -> bool:
    first, last = told[0], told[-1]
    return first.started_at <= record.at and record.number <= last.head


def _courses(ledger: RecordStore, rollout: Rollout) -> tuple[Course, ...] | NoData | None:
    """Return how the evidence on each guardrail grew; an A/B test of fixed length has one decision, at its end."""
    if not isinstance(rollout.plan, CanaryPlan):
        return None
    looks = [(decision.at, row) for _, decision in checks(ledger, rollout) for row in decision.metrics]
    by_guardrail = (
        (guardrail, tuple((at, row) for at, row in looks if at is not None and row.metric == guardrail.metric))
        for guardrail in rollout.plan.guardrails
    )
    courses = tuple(Course(guardrail=guardrail, looks=found) for guardrail, found in by_guardrail if found)
    return courses or NoData(reason="No check was made.")


def _comparison(ledger: RecordStore, told: Sequence[Rollout]) -> Comparison | NoData | None:
    """Return what the run's A/B test found; None when it made none."""
    tests = [rollout for rollout in told if isinstance(rollout.plan, ABTestPlan)]
    if not tests:
        return None
    return comparison_in(ledger, tests[-1]) or NoData(reason="The A/B test ended before it could compare.")


def _summary(rollout: Rollout, impact: RollbackImpact, found: Comparison | NoData | None) -> str:
    tried, stable = rollout.candidate.served_name, rollout.arms.stable.served_name
    match rollout.phase:
        case Phase.PROMOTED:
            return f"{tried} passed every stage and now serves all traffic; {stable} stays loaded to go back to."
        case Phase.ROLLED_BACK:
            cost = "" if impact.requests is None else f" It failed or delayed {impact.requests:,} requests."
            at = "from the A/B test" if rollout.activity == "ab_test" else f"at {rollout.stage or 0} %"
            return f"{tried} was tried and brought home {at}; {stable} serves all traffic.{cost}"
        case Phase.COMPARED:
            said = found.headline if isinstance(found, Comparison) else "nothing was compared"
            return f"Compared on live traffic: {said}. {stable} serves all of it again."
        case Phase.AWAITING_APPROVAL:
            passed = ", ".join(f"{stage} %" for stage in rollout.passed) or "no stage yet"
            return f"{tried} has passed {passed} against {stable}; a person is asked whether it goes on."
    return f"{tried} is being tried against {stable}: {rollout.phase}."


def _figures(
    told: Sequence[Rollout], impact: RollbackImpact, bins: tuple[Bin, ...], now: datetime
) -> tuple[Figure, ...]:
    last = told[-1]
    name = last.candidate.served_name
    seen = [found.models[name] for found in bins if name in found.models and not found.models[name].shadow]
    took = ((last.ended_at or now) - told[0].started_at).total_seconds()
    note = "from the first record to the last" if last.ended_at else "so far"
    figures = [
        Figure(label="Took", value=duration(took), note=note),
        Figure(label="Requests to the candidate", value=f"{sum(one.requests for one in seen):,}"),
        Figure(label="Harmed requests", value="not counted" if impact.requests is None else f"{impact.requests:,}"),
    ]
    if last.phase is Phase.ROLLED_BACK and impact.seconds is not None:
        figures.append(Figure(label="Home after", value=duration(impact.seconds), note="from the first look with harm"))
    return tuple(figures)


def _roles(told: Sequence[Rollout]) -> tuple[Variant, ...]:
    last = told[-1]
    roles = {last.arms.stable.served_name: "stable", last.candidate.served_name: "candidate"}
    for rollout in told:
        for version in rollout.arms.candidates:
            roles.setdefault(version.served_name, "variant")
        if rollout.arms.shadow_name:
            roles.setdefault(rollout.arms.shadow_name, "shadow")
    return tuple(Variant.model_validate({"name": name, "role": role}) for name, role in roles.items())


def _stages(records: Sequence[Record], until: datetime) -> tuple[Stage, ...]:
    """Spans of one split: from `stage.entered` to the record after which the split moves on."""
    stages: list[Stage] = []
    entered: tuple[str, datetime] | None = None
    kind = "canary"
    for record in records:
        if record.kind == "rollout.started":
            kind = record.body["activity"]
        moved = record.kind in {"stage.intended", "rollout.promoted", "rollout.rolled_back", "rollout.compared"}
        if entered and moved and record.at > entered[1]:
            stages.append(Stage(label=entered[0], since=entered[1], until=record.at))
            entered = None
        if record.kind == "stage.entered":
            entered = ("A/B test" if kind == "ab_test" else f"{record.body['stage']} %", record.at)
    if entered:
        stages.append(Stage(label=entered[0], since=entered[1], until=until))
    return tuple(stages)


def event(record: Record, told: Sequence[Rollout]) -> Event:
    """Return the record for the timeline: what the page says elsewhere, and the run that it is about, are left out."""
    link = record.body.get("link")
    return Event.model_validate(
        {
            "at": record.at,
            "what": sentence(record).removesuffix(f": {link}"),
            "detail": "" if record.kind in SHOWN_ABOVE else "; ".join(reasons(record)),
            "actor": "" if record.actor in {rollout.run for rollout in told} else actor_name(record.actor),
            "tone": TONES.get(record.kind, "plain"),
        }
    )


def _versions(told: Sequence[Rollout]) -> tuple[ModelVersion, ...]:
    found = [version for rollout in told for version in (rollout.arms.stable, *rollout.arms.candidates)]
    return tuple(dict.fromkeys(found))


def _cards(world: World, versions: tuple[ModelVersion, ...]) -> tuple[ModelCard, ...] | NoData:
    cards = []
    for version in versions:
        try:
            with tempfile.TemporaryDirectory(prefix="firstflight-") as folder:
                card = world.registry.fetch(version, Path(folder)) / "model_card.md"
                if card.exists():
                    cards.append(ModelCard(title=version.served_name, markdown=card.read_text(encoding="utf-8")))
        except Outage as error:
            return NoData(reason=f"The registry could not be read: {error}")
    return tuple(cards) or NoData(reason="The registered versions hold no model card.")


def _notices(ledger: RecordStore, told: Sequence[Rollout]) -> tuple[Notice, ...] | NoData:
    records = [record for rollout in told for record in ledger.read(notices_stream(rollout))]
    notices = [
        Notice(
            at=record.at,
            kind=record.body["kind"],
            text=record.body["text"],
            delivered=record.body["delivered"],
            where=record.body["where"],
            reason=record.body["reason"],
        )
        for record in records
    ]
    return tuple(notices) or NoData(reason="No message was sent.")


def _provenance(world: World, versions: tuple[ModelVersion, ...], last: Rollout) -> tuple[Fact, ...]:
    facts = [Fact(label="rollout", value=last.id), Fact(label="flow run", value=last.run)]
    for version in versions:
        facts.append(Fact(label=f"{version.served_name} digest", value=version.digest))
        try:
            tags = world.registry.tags(version)
        except Outage as error:
            facts.append(Fact(label=f"{version.served_name} tags", value=f"The registry could not be read: {error}"))
            continue
        facts.extend(
            Fact(label=f"{version.served_name} {name.replace('_', ' ')}", value=tags[name])
            for name in ("training_data_hash", "git_commit", "fault")
            if name in tags
        )
    return tuple(facts)
