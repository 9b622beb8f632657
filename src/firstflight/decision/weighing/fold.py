"""How a look changes the evidence: a pure fold, one look at a time.

Two questions are asked of every guardrail, with two different errors. Rollback: is harm certain? One e-process per
guardrail spans all stages, the budget is shared between guardrails. Promotion: is it certain that the candidate is
not worse than the margin allows? One per guardrail and stage, all must be shown, so none needs a correction.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

from firstflight.analysis.log_space import NEVER
from firstflight.analysis.sample_ratio import ALPHA as RATIO_ALPHA
from firstflight.analysis.sample_ratio import sample_ratio_log_e
from firstflight.decision.evidence import (
    Averaged,
    Counted,
    Evidence,
    Faulty,
    Home,
    MetricEvidence,
    Stage,
    Timed,
    plan_digest,
)
from firstflight.decision.weighing import counts, histograms, means
from firstflight.decision.weighing.budget import certain_log_e, harmed, start_weight
from firstflight.decision.weighing.harm import harm_log_e
from firstflight.decision.weighing.home import SUSPECTED, UNKNOWN, after_look
from firstflight.decision.weighing.window import Context, Seen, seen, seen_late
from firstflight.domain.plans import CanaryPlan, Guardrail
from firstflight.domain.samples import Counts, Histogram, Look, Moments, Sample


def start(plan: CanaryPlan, stable: str, candidate: str) -> Evidence:
    """Return the evidence before the first look; arms go by their served names.

    Raises:
        ValueError: Both arms are one.
    """
    if stable == candidate:
        raise ValueError(f"stable and candidate of {plan.model} are both served as {stable!r}")
    return Evidence(plan=plan_digest(plan), stable=stable, candidate=candidate)


def update(plan: CanaryPlan, evidence: Evidence, look: Look) -> Evidence:
    """Return the evidence after one more look.

    A look that repeats, overlaps or precedes an earlier one shows nothing, and `ignored` says why; it moves the clock
    all the same. A look that began in a stage's warm-up serves only as a reference, and against blatant failure.

    Raises:
        ValueError: The evidence is that of another plan, or the look that of other arms.
    """
    evidence.refuse_another(plan)
    _refuse_other_arms(evidence, look)
    if reason := _why_unusable(evidence, look):
        return evidence.model_copy(update={"ignored": reason, **_clock(evidence, look)})
    stage = _stage_of(plan, evidence, look)
    entered = evidence.stage is None or evidence.stage.number != stage.number
    metrics = evidence.metrics
    if entered and evidence.stage is not None:
        metrics = {name: _renewed(each) for name, each in metrics.items()}
    weight = min(start_weight(plan, stage.number, entered=entered, elapsed=stage.elapsed), 1.0 - evidence.spent)
    spent = min(evidence.spent + weight, 1.0)
    control = stage.weights.get(evidence.stable, 0) > 0
    context = Context(
        log_spent=math.log(evidence.spent) if evidence.spent > 0 else NEVER,
        weight=weight,
        unspent=1.0 - spent,
        warming_up=stage.warming_up,
        control=control,
        log_proof=-math.log(plan.alpha_promote),
    )
    names = [guardrail.metric for guardrail in plan.guardrails]
    shown, late = seen(evidence, look, names), seen_late(evidence, look, names)
    certain = certain_log_e(plan)
    home = _home(plan, evidence, metrics, shown, context, certain)
    typical = not any(each.failing for each in home.values())
    known: dict[str, MetricEvidence] = {}
    log_harm: dict[str, float] = {}
    for guardrail in plan.guardrails:
        name = guardrail.metric
        at_home = home.get(name, UNKNOWN)
        before = metrics.get(name)
        if at_home.failing != evidence.home.get(name, UNKNOWN).failing:
            before = _unblamed(before, context.log_spent)
        here = context if typical else context._replace(typical=False, comparable=at_home.failing)
        absorbed = _absorb(guardrail, before, shown[name], here)
        if name in late:
            absorbed = _with_late(guardrail, absorbed, late[name], here)
        blame = not at_home.failing and at_home.log_e < SUSPECTED
        log_harm[name] = harm_log_e(guardrail, absorbed, spent, blame=blame)
        if absorbed is not None:
            known[name] = absorbed
    asked = look.assignments
    served = asked.get(evidence.candidate, 0) > 0 or any(each.by_candidate for each in shown.values())
    by_stable = asked.get(evidence.stable, 0) > 0 or any(each.by_stable for each in shown.values())
    served_by_stable = by_stable or not control
    log_ratio = ratio_log_e(evidence) if entered else evidence.log_ratio
    return evidence.model_copy(
        update={
            "stage": stage,
            "at": look.at,
            "until": look.window.until,
            "data_until": look.window.until if served else evidence.data_until or look.window.since,
            "stable_until": look.window.until if served_by_stable else evidence.stable_until or look.window.since,
            "home": home,
            "spent": spent,
            "metrics": known,
            "log_harm": log_harm,
            "harmed": harmed(plan, certain, evidence.harmed, log_harm),
            "log_ratio": log_ratio,
            "skewed": evidence.skewed or log_ratio + _stage_ratio_log_e(stage) >= -math.log(RATIO_ALPHA),
            "ignored": "",
        }
    )


def _with_late(
    guardrail: Guardrail, known: MetricEvidence | None, late: Seen, context: Context
) -> MetricEvidence | None:
    """Return the evidence with truths about answers of earlier stages: they may show harm, and prove nothing here."""
    found = _absorb(guardrail, known, late, context._replace(weight=0.0, warming_up=False))
    if isinstance(known, Counted) and isinstance(found, Counted):
        return replace(known, relative=found.relative, absolute=found.absolute)
    if isinstance(known, Averaged) and isinstance(found, Averaged):
        return replace(known, relative=found.relative, absolute=found.absolute)
    return known if known is not None or found is None else _renewed(found)


def _home(
    plan: CanaryPlan,
    evidence: Evidence,
    metrics: Mapping[str, MetricEvidence],
    shown: Mapping[str, Seen],
    context: Context,
    certain: Mapping[str, float],
) -> dict[str, Home]:
    """Return how the stable model keeps each limit after this look."""
    found = {}
    for guardrail in plan.guardrails:
        name = guardrail.metric
        if guardrail.limit is not None:
            known = evidence.home.get(name)
            after = after_look(guardrail, known, metrics.get(name), shown[name].stable, context, certain[name])
            if after is not None:
                found[name] = after
    return found


def _unblamed(known: MetricEvidence | None, log_spent: float) -> MetricEvidence | None:
    """Return the evidence without what the candidate showed of its limit: stable has begun, or ceased, to break it too.

    What is dropped is never less than what stays, so the evidence remains what it claims to be.
    """
    if isinstance(known, Counted | Timed | Averaged):
        return replace(known, absolute=tuple([min(wealth, log_spent) for wealth in known.absolute]))
    return known


def _refuse_other_arms(evidence: Evidence, look: Look) -> None:
    """Raise ValueError where the split says that these arms are others, or each other."""
    stable, candidate = look.weights.get(evidence.stable), look.weights.get(evidence.candidate)
    if stable is None or candidate is None or stable != 100 - look.stage:
        raise ValueError(
            f"the look at {look.at.isoformat()} has {look.stage} % beside stable and the weights {look.weights}, which "
            f"does not fit stable {evidence.stable!r} and candidate {evidence.candidate!r}; are they swapped?"
        )


def ratio_log_e(evidence: Evidence) -> float:
    """Return log e of "requests are not divided as the router says", over all stages."""
    return evidence.log_ratio if evidence.stage is None else evidence.log_ratio + _stage_ratio_log_e(evidence.stage)


def _stage_ratio_log_e(stage: Stage) -> float:
    return sample_ratio_log_e(stage.assignments, {name: weight / 100 for name, weight in stage.weights.items()})


def _why_unusable(evidence: Evidence, look: Look) -> str:
    if evidence.until is None or evidence.at is None or evidence.stage is None:
        return ""
    if look.window.until <= evidence.until:
        if look.window.since == look.window.until == evidence.until:
            return f"nothing was recorded after {look.window.until.isoformat()}"
        word = "repeats" if look.window.until == evidence.until else "precedes"
        return f"the look that ends at {look.window.until.isoformat()} {word} an earlier one and was not used"
    if look.window.since < evidence.until:
        return (
            f"the look from {look.window.since.isoformat()} overlaps the one before, which ended at "
            f"{evidence.until.isoformat()}, and was not used"
        )
    if look.at < evidence.at or look.stage_started_at < evidence.stage.started_at:
        return f"the look at {look.at.isoformat()} goes back in time and was not used"
    return ""


def _clock(evidence: Evidence, look: Look) -> dict[str, object]:
    """Return what a look that shows nothing tells all the same: how late it is."""
    stage = evidence.stage
    if stage is None or evidence.at is None or look.at <= evidence.at:
        return {}
    if look.stage_started_at != stage.started_at:
        return {"at": look.at}
    return {"at": look.at, "stage": stage.model_copy(update={"elapsed": look.stage_elapsed})}


def _stage_of(plan: CanaryPlan, evidence: Evidence, look: Look) -> Stage:
    """Return the stage a look belongs to; a new split or a new start makes a new stage."""
    before = evidence.stage
    same = before is not None and (before.percent, before.started_at, before.weights) == (
        look.stage,
        look.stage_started_at,
        look.weights,
    )
    assignments: Mapping[str, int] = before.assignments if before is not None and same else {}
    warming_up = (look.window.since - look.stage_started_at).total_seconds() < plan.warmup_seconds
    divided = look.units  # what the router divides: where a unit stays with its model, its requests tell nothing more
    if divided is None:
        divided = {} if warming_up else look.assignments
    if divided:
        names = sorted({*assignments, *divided})
        assignments = {name: assignments.get(name, 0) + divided.get(name, 0) for name in names}
    return Stage(
        percent=look.stage,
        started_at=look.stage_started_at,
        weights=look.weights,
        number=0 if before is None else before.number + (not same),
        elapsed=look.stage_elapsed,
        warming_up=warming_up,
        assignments=dict(assignments),
        divided="requests" if look.units is None else "units",
    )


def _renewed(known: MetricEvidence) -> MetricEvidence:
    """Return a guardrail's evidence at the beginning of a stage: what was proven is asked again."""
    match known:
        case Counted():
            return counts.renewed(known)
        case Timed():
            return histograms.renewed(known)
        case Averaged():
            return means.renewed(known)
    return known


def _absorb(guardrail: Guardrail, known: MetricEvidence | None, shown: Seen, context: Context) -> MetricEvidence | None:
    """Return a guardrail's evidence after one look; None while nothing at all has been seen of it."""
    match _beginning(guardrail, shown, context) if known is None else known:
        case Counted() if shown.paired is not None:  # from here on blocks count, not units
            return means.absorb(guardrail, Averaged.beginning(context.log_spent), shown, context)
        case Counted() as counted:
            return counts.absorb(guardrail, counted, shown, context)
        case Timed() as timed:
            return histograms.absorb(guardrail, timed, shown, context)
        case Averaged() as averaged:
            return means.absorb(guardrail, averaged, shown, context)
        case other:
            return other


def _beginning(guardrail: Guardrail, shown: Seen, context: Context) -> MetricEvidence | None:
    """Return the evidence a guardrail starts from, by the kind of the first sample seen of it."""
    first = shown.paired or shown.candidate or shown.stable
    if first is None:
        return None
    if fault := _fault(guardrail, first):
        return Faulty(fault=fault)
    match first:
        case Counts():
            return Counted.beginning(context.log_spent)
        case Moments() if guardrail.is_share:  # of blocks, each of which counts once
            return Counted.beginning(context.log_spent)
        case Histogram(edges=edges):
            return Timed.beginning(context.log_spent, edges)
        case _:
            return Averaged.beginning(context.log_spent)


def _fault(guardrail: Guardrail, sample: Sample) -> str:
    """Return why the guardrail cannot judge samples of this kind; empty when it can."""
    if isinstance(sample, Counts):
        return guardrail.share_fault()
    if isinstance(sample, Histogram):
        if guardrail.limit is None or guardrail.quantile is None:
            return "a histogram is judged by a quantile and its limit, and the guardrail lacks one"
        if guardrail.direction != "lower_is_better":
            return "a quantile is judged with lower_is_better only"
    return ""
