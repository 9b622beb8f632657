"""What the page shows of a rollout, from its records alone: pure functions from values to values."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from firstflight.acts.answer import question_of
from firstflight.acts.report import event
from firstflight.acts.report_decisions import approvals
from firstflight.comparison.compare import Comparison
from firstflight.decision.reasons import claim
from firstflight.decision.verdicts import Decision, MetricVerdict
from firstflight.domain.plans import ABTestPlan, CanaryPlan
from firstflight.domain.samples import Look, NoData
from firstflight.domain.wording import duration
from firstflight.ledger.record import Record
from firstflight.report.data import Approval, Event
from firstflight.rollout.freeze import Freeze, frozen
from firstflight.rollout.machine import BEGINS, Phase, Rollout

Tone = Literal["plain", "good", "warning", "bad", "info"]
State = Literal["passed", "now", "asked", "failed", "to come", "not reached"]
TONES: dict[Phase, Tone] = {
    Phase.AWAITING_APPROVAL: "warning",
    Phase.ROLLING_BACK: "bad",
    Phase.ROLLED_BACK: "bad",
    Phase.PROMOTED: "good",
}
_DRAWN = 200
"""Points along a course of evidence: a phone has no room for more."""


@dataclass(frozen=True)
class Check:
    """One look and what was decided on it, without the samples."""

    at: datetime
    stage: int
    since: datetime
    requests: dict[str, int]
    decision: Decision

    @classmethod
    def made(cls, look: Look, decision: Decision) -> "Check":
        """Keep of a look what the page shows."""
        return cls(look.at, look.stage, look.window.since, look.assignments, decision)


@dataclass(frozen=True)
class Step:
    """One stage of the plan: its share of traffic in percent, how it stands, and whether a person is asked before."""

    percent: int
    state: State
    asks: bool


@dataclass(frozen=True)
class Next:
    """What happens next; `when` is None where nobody can say, and `why` says what it depends on."""

    what: str
    when: datetime | None = None
    why: str = ""


@dataclass(frozen=True)
class Arm:
    """A served model: its weight as the router last reported it, its requests at the last look and in all.

    None where nothing tells of it.
    """

    name: str
    role: Literal["stable", "candidate", "variant", "shadow"]
    weight: int | None
    requests: int | None
    total: int | None


@dataclass(frozen=True)
class Traffic:
    """Who got how many requests: in the window of the last look, and in all looks."""

    since: datetime
    until: datetime
    seen: int
    arms: tuple[Arm, ...]


@dataclass(frozen=True)
class Evidence:
    """What one guardrail shows at the last look, and how its evidence came there.

    Shares are of the threshold: at 1 the claim is made. `harm_line` and `proof_line` are points of an SVG polyline of
    100 by 40, the threshold at 10; empty where there is one look alone.
    """

    row: MetricVerdict
    harm: float
    proof: float | None
    harm_line: str = ""
    proof_line: str = ""


@dataclass(frozen=True)
class Question:
    """What a person is asked now."""

    stage: int
    by: datetime


@dataclass(frozen=True)
class RolloutView:
    """Everything that the page of one rollout shows; `next` is None once it has ended."""

    rollout: Rollout
    at: datetime
    tone: Tone
    next: Next | None
    reasons: tuple[str, ...]
    steps: tuple[Step, ...]
    traffic: Traffic | NoData
    last: Check | None
    checks: int
    evidence: tuple[Evidence, ...] | NoData
    comparison: Comparison | None
    question: Question | None
    approvals: tuple[Approval, ...] | NoData | None
    timeline: tuple[Event, ...]
    freeze: Freeze | None

    @property
    def title(self) -> str:
        """Who is tried against whom."""
        tried = ", ".join(version.served_name for version in self.rollout.arms.candidates)
        return f"{tried} against {self.rollout.arms.stable.served_name}"

    @property
    def summary(self) -> str:  # noqa: PLR0911 - one return for each phase
        """Where it stands, in one sentence."""
        rollout = self.rollout
        stable, tried = rollout.arms.stable.served_name, rollout.candidate.served_name
        of = "the A/B test" if rollout.activity == "ab_test" else f"{rollout.stage} %"
        match rollout.phase:
            case Phase.PROMOTED:
                return f"{tried} passed every stage and serves all traffic."
            case Phase.ROLLED_BACK:
                return f"{tried} was brought home; {stable} serves all traffic."
            case Phase.COMPARED:
                said = self.comparison.headline if self.comparison else "nothing was compared"
                return f"Compared on live traffic: {said}. {stable} serves all of it again."
            case Phase.AWAITING_APPROVAL if self.question is not None:
                return f"A person is asked whether {tried} gets {self.question.stage} % of traffic."
            case Phase.OBSERVING:
                return f"{tried} is being judged at {of}, on live traffic." + (" It is held." if rollout.held else "")
            case Phase.ROLLING_BACK:
                return f"All traffic goes back to {stable}."
            case Phase.BAKING:
                return f"{tried} has been promoted and is still watched; {stable} is warm."
        return f"{tried} against {stable}: {rollout.phase}."


def rollout_view(
    rollout: Rollout,
    records: Sequence[Record],
    checks: Sequence[Check],
    now: datetime,
    *,
    freezes: Iterable[Record] = (),
    comparison: Comparison | None = None,
) -> RolloutView:
    """Return what the page of `rollout` shows at `now`.

    Args:
        rollout: As the newest of its records leaves it.
        records: Those of its model's stream, in order; others than its own are left out.
        checks: What each of its looks said, oldest first.
        now: By the clock that dates the records.
        freezes: The records of the stream of freezes.
        comparison: What its A/B test found, if it has.
    """
    mine = _of(rollout, records)
    last = checks[-1] if checks else None
    stage = question_of(rollout)
    holding = None if rollout.final else frozen(freezes, now)
    return RolloutView(
        rollout=rollout,
        at=now,
        tone=TONES.get(rollout.phase, "info"),
        next=next_step(rollout, checks, holding),
        reasons=_why(rollout, last),
        steps=steps(rollout),
        traffic=_traffic(rollout, checks),
        last=last,
        checks=len(checks),
        evidence=_evidence(rollout, checks),
        comparison=comparison,
        question=None if stage is None else Question(stage, rollout.answer_by(stage)),
        approvals=approvals(mine, rollout),
        timeline=tuple(event(one, (rollout,)) for one in reversed(mine) if one.kind != "stage.intended"),
        freeze=holding,
    )


def _of(rollout: Rollout, records: Sequence[Record]) -> list[Record]:
    begun = (one.number for one in records if one.kind == BEGINS and one.body.get("rollout") == rollout.id)
    first = next(begun, 0)
    return [one for one in records if first <= one.number <= rollout.head]


def _why(rollout: Rollout, last: Check | None) -> tuple[str, ...]:
    if rollout.final or rollout.phase is Phase.ROLLING_BACK or last is None:
        return rollout.reasons
    return last.decision.reasons


def steps(rollout: Rollout) -> tuple[Step, ...]:
    """Return the stages of a canary's plan; an A/B test has none."""
    plan = rollout.plan
    if isinstance(plan, ABTestPlan):
        return ()
    asked = question_of(rollout)
    ended_badly = rollout.phase in {Phase.ROLLING_BACK, Phase.ROLLED_BACK}

    def state(percent: int) -> State:
        if percent in rollout.passed:
            return "passed"
        if percent == rollout.stage:
            return "failed" if ended_badly else "now"
        if percent == asked:
            return "asked"
        return "not reached" if ended_badly or rollout.final else "to come"

    return tuple(Step(percent, state(percent), percent in plan.approvals) for percent in plan.stages)


def next_step(  # noqa: C901, PLR0911 - one return for each phase
    rollout: Rollout, checks: Sequence[Check], freeze: Freeze | None
) -> Next | None:
    """Return what happens next, when and on what it depends; None when the rollout has ended."""
    plan, stable = rollout.plan, rollout.arms.stable.served_name
    if rollout.final:
        return None
    if rollout.held and rollout.waits:
        return Next(
            "It is held where it stands, and watched",
            why=f"Resume on its page in Prefect has it go on; Cancel, or silence, brings {stable} all traffic.",
        )
    match rollout.phase:
        case Phase.AWAITING_APPROVAL if (stage := question_of(rollout)) is not None:
            return Next(
                f"A person approves {stage} % of traffic, or does not",
                rollout.answer_by(stage),
                f"Without an answer by then all traffic goes back to {stable}. The guard watches meanwhile.",
            )
        case Phase.ROLLING_BACK:
            return Next(f"All traffic goes back to {stable}, and the router is asked whether it did")
        case Phase.PROMOTING:
            return Next(f"{rollout.candidate} becomes champion in the registry")
        case Phase.BAKING if rollout.bake_started_at is not None and isinstance(plan, CanaryPlan):
            return Next(
                "It counts as promoted",
                rollout.bake_started_at + timedelta(seconds=plan.bake_seconds),
                f"Harm before then brings {stable} back, which is still warm.",
            )
        case Phase.OBSERVING if rollout.stage_started_at is not None:
            return _next_look(rollout, checks, rollout.stage_started_at)
    if isinstance(plan, ABTestPlan):
        return Next("Traffic is divided among the variants", why=str(freeze) if freeze else "")
    left = [stage for stage in plan.stages if stage not in rollout.passed]
    if not left:
        return Next(f"{rollout.candidate} becomes champion in the registry", why=str(freeze) if freeze else "")
    if left[0] in plan.approvals and left[0] not in rollout.approved:
        return Next(f"A person is asked before {left[0]} % of traffic")
    return Next(f"{rollout.candidate.served_name} gets {left[0]} % of traffic", why=str(freeze) if freeze else "")


def _next_look(rollout: Rollout, checks: Sequence[Check], entered: datetime) -> Next:
    plan = rollout.plan
    mine = [one for one in checks if one.at >= entered]
    due = (mine[-1].at if mine else entered) + timedelta(seconds=plan.check_seconds)
    if isinstance(plan, ABTestPlan):
        counted = sum(sum(one.requests.values()) for one in mine)
        ends = entered + timedelta(seconds=plan.seconds)
        return Next(
            f"The test is looked at again; {counted:,} of {plan.requests:,} requests are in",
            due,
            f"It is compared when all are in, and given up at {ends:%H:%M:%S} UTC. Harm to anybody ends it at once.",
        )
    ends = entered + timedelta(seconds=plan.stage_seconds)
    earliest = entered + timedelta(seconds=plan.min_stage_seconds)
    return Next(
        "The candidate is looked at again",
        due,
        f"This stage has passed when {_to_prove(plan, mine)}, not before {earliest:%H:%M:%S} UTC"
        f"{_after(rollout)}. Undecided at {ends:%H:%M:%S} UTC (after {duration(plan.stage_seconds)}), it goes home; "
        "certain harm brings it home at once.",
    )


def _to_prove(plan: CanaryPlan, mine: Sequence[Check]) -> str:
    proving = {guardrail.metric for guardrail in plan.guardrails if guardrail.proves}
    if not proving:
        return "no harm has shown"
    rows = mine[-1].decision.metrics if mine else ()
    left = [
        f"{row.metric.replace('_', ' ')} {claim(row)}".strip()
        for row in rows
        if row.metric in proving and row.status != "proven"
    ]
    if not rows:
        return "every guardrail that asks for it is proven"
    return f"it is proven: {', '.join(left)}" if left else "its shortest time is over, for all is proven"


def _after(rollout: Rollout) -> str:
    plan = rollout.plan
    if isinstance(plan, ABTestPlan):
        return ""
    left = [stage for stage in plan.stages if stage not in rollout.passed and stage != rollout.stage]
    if not left:
        return "; then it is promoted"
    return f"; then {'a person is asked before ' if left[0] in plan.approvals else ''}{left[0]} %"


def _traffic(rollout: Rollout, checks: Sequence[Check]) -> Traffic | NoData:
    if not checks:
        return NoData(reason="Nothing has been looked at yet: what each model gets is counted from the first check on.")
    last, arms = checks[-1], rollout.arms
    totals: dict[str, int] = {}
    for one in checks:
        for name, count in one.requests.items():
            totals[name] = totals.get(name, 0) + count
    roles: dict[str, Literal["stable", "candidate", "variant", "shadow"]] = {arms.stable.served_name: "stable"}
    of = "variant" if rollout.activity == "ab_test" else "candidate"
    roles |= {version.served_name: of for version in arms.candidates}  # type: ignore[misc]  # one of the two words
    if arms.shadow_name:
        roles[arms.shadow_name] = "shadow"
    weights = rollout.split.weights if rollout.split else {}
    return Traffic(
        since=last.since,
        until=last.at,
        seen=sum(last.requests.values()),
        arms=tuple(
            Arm(name, role, weights.get(name, 0) if rollout.split else None, last.requests.get(name), totals.get(name))
            for name, role in roles.items()
        ),
    )


def _evidence(rollout: Rollout, checks: Sequence[Check]) -> tuple[Evidence, ...] | NoData:
    judged = [one for one in checks if one.decision.metrics]
    if not judged:
        return NoData(reason="No check has weighed anything yet.")
    span = (judged[0].at, judged[-1].at)
    proves = {guardrail.metric for guardrail in rollout.plan.guardrails if guardrail.proves}
    every = max(1, len(judged) // _DRAWN)
    drawn = [*judged[:-1:every], judged[-1]]
    found = []
    for row in judged[-1].decision.metrics:
        rows = [(one.at, each) for one in drawn for each in one.decision.metrics if each.metric == row.metric]
        harm = [(at, share(each.log_e_rollback, each.log_threshold_rollback)) for at, each in rows]
        proof = [(at, share(each.log_e_promote, each.log_threshold_promote)) for at, each in rows]
        asks = row.metric in proves and row.log_e_promote is not None
        found.append(
            Evidence(
                row,
                share(row.log_e_rollback, row.log_threshold_rollback) or 0.0,
                share(row.log_e_promote, row.log_threshold_promote) if asks else None,
                _line(harm, span),
                _line(proof, span) if row.metric in proves else "",
            )
        )
    return tuple(found)


def share(log_e: float | None, threshold: float) -> float | None:
    """Return evidence as a share of its threshold, from 0 (none, or against it) to 1.25; None where there is none."""
    return None if log_e is None or not threshold else min(max(log_e / threshold, 0.0), 1.25)


def _line(points: Sequence[tuple[datetime, float | None]], span: tuple[datetime, datetime]) -> str:
    seconds = (span[1] - span[0]).total_seconds()
    known = [(at, value) for at, value in points if value is not None]
    if len(known) < 2 or not seconds:  # noqa: PLR2004 - of one point there is no line
        return ""
    return " ".join(
        f"{100 * (at - span[0]).total_seconds() / seconds:.1f},{38 - 28 * value:.1f}" for at, value in known
    )


@dataclass(frozen=True)
class Home:
    """What there is to see: rollouts that are open, the last of every other model, and freezes."""

    at: datetime
    open: tuple[Rollout, ...]
    ended: tuple[Rollout, ...]
    freezes: tuple[Freeze, ...] = field(default=())

    @classmethod
    def of(cls, last: Iterable[Rollout], freezes: Iterable[Freeze], now: datetime) -> "Home":
        """Return it from the last rollout of each model, the newest first."""
        told = sorted(last, key=lambda one: one.started_at, reverse=True)
        standing = tuple(one for one in freezes if one.until is None or one.until > now)
        return cls(now, tuple(one for one in told if not one.final), tuple(one for one in told if one.final), standing)
