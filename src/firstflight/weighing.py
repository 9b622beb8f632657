"""How a look changes the evidence: a pure fold, one look at a time.

Two questions are asked of every guardrail, with two different errors. Rollback: is harm certain? One e-process per
guardrail spans all stages, the budget is shared between guardrails. Promotion: is it certain that the candidate is
not worse than the margin allows? One per guardrail and stage, all must be shown, so none needs a correction.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from firstflight.analysis.absolute_limit import ODDS_WEIGHTS, beyond_limit_log_likelihoods, within_limit_log_e
from firstflight.analysis.asymptotic import (
    HORIZON,
    PAIRED_BURN_IN,
    PAIRED_HORIZON,
    MeanEstimate,
    difference_of_means,
    mean_above_log_e,
    mean_of_differences,
    single_mean,
)
from firstflight.analysis.dispersion import Spread, dispersion
from firstflight.analysis.exceedance import above, edges_for, reference_edge
from firstflight.analysis.log_space import NEVER, log_add, log_sum
from firstflight.analysis.moments import merge, merge_pairs
from firstflight.analysis.rate_ratio import OUTCOME_WEIGHTS, RATIO_WEIGHTS, RATIOS, rate_ratio_log_likelihoods
from firstflight.analysis.sample_ratio import ALPHA as RATIO_ALPHA
from firstflight.analysis.sample_ratio import sample_ratio_log_e
from firstflight.analysis.start_mixture import bet, log_e_value, log_shares
from firstflight.analysis.two_by_two import not_worse_log_likelihoods, worse_log_likelihoods
from firstflight.evidence import Averaged, Counted, Evidence, Faulty, MetricEvidence, Stage, Tally, Timed
from firstflight.plans import CanaryPlan, Guardrail
from firstflight.samples import Counts, Histogram, Look, Moments, NoData, PairedMoments, Sample

RELATIVE_SHARE = 2 / 3
"""Share of a guardrail's wealth bet on "worse than stable"; the rest on "beyond the limit"."""
WARMUP_RATIO = 3.0
"""While a candidate warms up, failures up to this many times the stable model's are put down to that."""
COMMON = 0.02
"""From this rate of the stable model on, both proportions are compared in full; below, only the events count."""
OUTCOME_CAUTION = 10
"""Degrees of freedom by which common outcomes are taken to be clustered until they show that they are not."""
OUTCOME_EXCESS = 2.2
"""How much more clustered outcomes are taken to be than estimated, before harm is called certain."""
_ENOUGH = 50
_LOG_RATIO_SHARES, _LOG_OUTCOME_SHARES = log_shares(RATIO_WEIGHTS), log_shares(OUTCOME_WEIGHTS)
_LOG_ODDS_SHARES = log_shares(ODDS_WEIGHTS)
_GAIN_WEIGHTS = (math.log(0.7), math.log(0.3))
_ON_LOOKS = 0.5
_ON_FIRST_STAGE = 0.7
_PROOF_LEVEL = 0.05
_NO_EVIDENCE = (0.0,) * len(RATIOS)


def start(plan: CanaryPlan, stable: str, candidate: str) -> Evidence:
    """Return the evidence before the first look; arms go by their served names.

    Raises:
        ValueError: A guardrail must prove itself but names nothing to prove, or both arms are one.
    """
    for guardrail in plan.guardrails:
        if guardrail.proves and guardrail.limit is None and guardrail.margin is None:
            raise ValueError(
                f"guardrail {guardrail.metric!r} must prove itself but has neither limit nor margin; "
                "give it one, or set proves to false"
            )
    if stable == candidate:
        raise ValueError(f"stable and candidate are both served as {stable!r}")
    return Evidence(stable=stable, candidate=candidate)


def update(plan: CanaryPlan, evidence: Evidence, look: Look) -> Evidence:
    """Return the evidence after one more look.

    A look that repeats, overlaps or precedes an earlier one is not used; `ignored` says why. A look that began in a
    stage's warm-up serves only as a reference, and against blatant failure.
    """
    if reason := _why_unusable(evidence, look):
        return evidence.model_copy(update={"ignored": reason})
    stage = _stage_of(plan, evidence, look)
    entered = evidence.stage is None or evidence.stage.number != stage.number
    metrics = evidence.metrics
    if entered and evidence.stage is not None:
        finished = evidence.stage.number
        metrics = {name: _carry_over(plan, name, known, finished) for name, known in metrics.items()}
    weight = min(_start_weight(plan, stage.number, entered=entered), 1.0 - evidence.spent)
    context = _Context(
        log_spent=math.log(evidence.spent) if evidence.spent > 0 else NEVER,
        weight=weight,
        warming_up=stage.warming_up,
        control=stage.weights.get(evidence.stable, 0) > 0,
        log_proof=-math.log(plan.alpha_promote),
    )
    seen = {guardrail.metric: _seen(evidence, look, guardrail.metric) for guardrail in plan.guardrails}
    absorbed = {g.metric: _absorb(g, metrics.get(g.metric), seen[g.metric], context) for g in plan.guardrails}
    served = any(each.by_candidate for each in seen.values())
    known = {name: each for name, each in absorbed.items() if each is not None}
    spent = min(evidence.spent + weight, 1.0)
    log_harm = {g.metric: _harm_log_e(plan, g, known.get(g.metric), stage.number, spent) for g in plan.guardrails}
    log_ratio = ratio_log_e(evidence) if entered else evidence.log_ratio
    return evidence.model_copy(
        update={
            "stage": stage,
            "at": look.at,
            "until": look.window.until,
            "data_until": look.window.until if served else evidence.data_until or look.window.since,
            "spent": spent,
            "metrics": known,
            "log_harm": log_harm,
            "harmed": _harmed(plan, evidence.harmed, log_harm),
            "log_ratio": log_ratio,
            "skewed": evidence.skewed or log_ratio + _stage_ratio_log_e(stage) >= -math.log(RATIO_ALPHA),
            "ignored": "",
        }
    )


@dataclass(frozen=True)
class _Context:
    """What a look is, for every guardrail alike."""

    log_spent: float
    weight: float
    warming_up: bool
    control: bool
    log_proof: float


@dataclass(frozen=True)
class _Seen:
    """What one look holds of one metric; NoData is None."""

    candidate: Sample | None
    stable: Sample | None
    paired: PairedMoments | None

    @property
    def by_candidate(self) -> bool:
        """Whether the candidate answered anything this metric measures."""
        match self.candidate:
            case Counts(exposures=count) | Moments(count=count):
                return count > 0
            case Histogram(counts=counts):
                return any(counts)
            case _:
                return self.paired is not None


def _seen(evidence: Evidence, look: Look, metric: str) -> _Seen:
    candidate = look.samples.get(evidence.candidate, {}).get(metric)
    stable = look.samples.get(evidence.stable, {}).get(metric)
    paired = look.paired.get(evidence.candidate, {}).get(metric)
    return _Seen(
        candidate=None if isinstance(candidate, NoData) else candidate,
        stable=None if isinstance(stable, NoData) else stable,
        paired=paired if isinstance(paired, PairedMoments) and paired.count else None,
    )


def _why_unusable(evidence: Evidence, look: Look) -> str:
    if evidence.until is None or evidence.at is None or evidence.stage is None:
        return ""
    if look.window.until <= evidence.until:
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
    if not warming_up:
        names = sorted({*assignments, *look.assignments})
        assignments = {name: assignments.get(name, 0) + look.assignments.get(name, 0) for name in names}
    return Stage(
        percent=look.stage,
        started_at=look.stage_started_at,
        weights=look.weights,
        number=0 if before is None else before.number + (not same),
        elapsed=look.stage_elapsed,
        warming_up=warming_up,
        assignments=dict(assignments),
    )


def _stage_weight(plan: CanaryPlan, number: int) -> float:
    """Return the share of stage `number` among all stages with which a fault may begin.

    The first has the most: a bad candidate is usually bad from its first request.
    """
    if number >= len(plan.stages):
        return 0.0
    if len(plan.stages) == 1:
        return 1.0
    return _ON_FIRST_STAGE if number == 0 else (1 - _ON_FIRST_STAGE) / (len(plan.stages) - 1)


def _start_weight(plan: CanaryPlan, number: int, *, entered: bool) -> float:
    """Return the weight of faults that begin with this look: half by stages, half evenly by planned looks."""
    planned = len(plan.stages) * math.ceil(plan.stage_seconds / plan.check_seconds)
    return _ON_LOOKS / planned + ((1 - _ON_LOOKS) * _stage_weight(plan, number) if entered else 0.0)


def _carry_over(plan: CanaryPlan, name: str, known: MetricEvidence, finished: int) -> MetricEvidence:
    """Return a guardrail's evidence at the beginning of a stage; proof is never carried over."""
    match known:
        case Counted():
            return Counted(
                relative=known.relative,
                absolute=known.absolute,
                spread=known.spread,
                own_spread=known.own_spread,
            )
        case Timed():
            empty = (0,) * (len(known.edges) + 1)
            return known.model_copy(update={"candidate": empty, "stable": empty, "log_proof": None, "proven": False})
        case Averaged():
            guardrail = next(g for g in plan.guardrails if g.metric == name)
            share = _stage_weight(plan, finished)
            entry = math.log(share) if share > 0 else NEVER
            relative, absolute = _stage_log_e(plan, guardrail, known)
            return Averaged(
                relative=log_add(known.relative, entry) + relative, absolute=log_add(known.absolute, entry) + absolute
            )
        case Faulty():
            return known


def _absorb(
    guardrail: Guardrail, known: MetricEvidence | None, seen: _Seen, context: _Context
) -> MetricEvidence | None:
    """Return a guardrail's evidence after one look; None while nothing at all has been seen of it."""
    if known is None:
        known = _beginning(guardrail, seen, context)
    match known:
        case Counted():
            return _absorb_counts(guardrail, known, seen, context)
        case Timed():
            return _absorb_histograms(guardrail, known, seen, context)
        case Averaged():
            return _absorb_means(guardrail, known, seen, context)
        case _:
            return known


def _beginning(guardrail: Guardrail, seen: _Seen, context: _Context) -> MetricEvidence | None:
    """Return the evidence a guardrail starts from, by the kind of the first sample seen of it."""
    first = seen.paired or seen.candidate or seen.stable
    if first is None:
        return None
    if fault := _fault(guardrail, first):
        return Faulty(fault=fault)
    match first:
        case Counts():
            return Counted.beginning(context.log_spent)
        case Histogram(edges=edges):
            return Timed.beginning(context.log_spent, edges)
        case _:
            return Averaged()


def _fault(guardrail: Guardrail, sample: Sample) -> str:
    """Return why the guardrail cannot judge samples of this kind; empty when it can."""
    if isinstance(sample, Counts) and guardrail.limit is not None and not 0 < guardrail.limit < 1:
        return f"limit {guardrail.limit} of a share must lie between 0 and 1, both excluded"
    if isinstance(sample, Histogram):
        if guardrail.limit is None or guardrail.quantile is None:
            return "a histogram is judged by a quantile and its limit, and the guardrail lacks one"
        if guardrail.direction != "lower_is_better":
            return "a quantile is judged with lower_is_better only"
    return ""


def _absorb_counts(guardrail: Guardrail, known: Counted, seen: _Seen, context: _Context) -> MetricEvidence:
    if not _are(Counts, seen.candidate, seen.stable):
        return Faulty(fault="counts became samples of another kind during the rollout")
    candidate, stable = _harmful(guardrail, seen.candidate), _harmful(guardrail, seen.stable)
    reference = Tally(events=known.spread.events, exposures=known.spread.exposures)
    exposures = candidate.exposures + stable.exposures
    common = _is_common(reference)
    phi = dispersion(known.spread, exposures=exposures, caution=OUTCOME_CAUTION if common else 0)
    harm_phi = phi
    if common:  # the candidate's own looks tell of clusters too
        both = dispersion(known.spread, known.own_spread, exposures=exposures, caution=OUTCOME_CAUTION)
        harm_phi = 1 + (both - 1) * OUTCOME_EXCESS
    spread = known.spread.and_look(stable.events, stable.exposures)
    relative = _relative_log_likelihoods(guardrail, candidate, stable, reference, phi=harm_phi, context=context)
    if context.warming_up:
        return known.model_copy(
            update={
                "relative": bet(known.relative, relative, context.weight),
                "absolute": bet(known.absolute, (0.0,) * len(known.absolute), context.weight),
                "spread": spread,
            }
        )
    absolute = known.absolute
    if guardrail.limit is not None:
        ratios = beyond_limit_log_likelihoods(candidate.events, candidate.exposures, _harm_limit(guardrail), phi)
        absolute = bet(known.absolute, ratios, context.weight)
    not_worse = known.not_worse
    if guardrail.margin is not None and context.control:
        own = Tally(events=known.own_spread.events, exposures=known.own_spread.exposures)
        guess = own.plus(reference)
        ratios = not_worse_log_likelihoods(
            candidate.events,
            candidate.exposures,
            stable.events,
            stable.exposures,
            expected_rate=(guess.events + 0.5 * min(guardrail.margin, 1.0)) / (guess.exposures + 1),
            margin=guardrail.margin,
            dispersion=phi,
        )
        not_worse = tuple(max(before + ratio, NEVER) for before, ratio in zip(known.not_worse, ratios, strict=True))
    following = known.model_copy(
        update={
            "relative": bet(known.relative, relative, context.weight),
            "absolute": absolute,
            "not_worse": not_worse,
            "candidate": known.candidate.plus(candidate),
            "stable": known.stable.plus(stable),
            "spread": spread,
            "own_spread": known.own_spread.and_look(candidate.events, candidate.exposures),
        }
    )
    return _with_proof(guardrail, following, context)


def _relative_log_likelihoods(
    guardrail: Guardrail, candidate: Tally, stable: Tally, reference: Tally, *, phi: float, context: _Context
) -> tuple[float, ...]:
    """Return what one look says of "the candidate's events are more frequent than the stable model's"."""
    arms = (candidate.events, candidate.exposures, stable.events, stable.exposures)
    if context.warming_up:
        if guardrail.direction == "higher_is_better" or guardrail.tolerance > 0:
            return _NO_EVIDENCE
        return rate_ratio_log_likelihoods(*arms, null_ratio=WARMUP_RATIO, dispersion=phi)
    rate = _rate(reference)
    if guardrail.tolerance > 0:
        if reference.exposures == 0:
            return _NO_EVIDENCE
        return worse_log_likelihoods(*arms, control_rate=rate, tolerance=guardrail.tolerance, dispersion=phi)
    if _is_common(reference):
        return worse_log_likelihoods(*arms, control_rate=rate, dispersion=phi)
    return rate_ratio_log_likelihoods(*arms, dispersion=phi)


def _rate(tally: Tally) -> float:
    """Return the share of events, strictly between 0 and 1."""
    return (tally.events + 0.5) / (tally.exposures + 1)


def _is_common(reference: Tally) -> bool:
    return reference.exposures >= _ENOUGH and _rate(reference) >= COMMON


def _absorb_histograms(guardrail: Guardrail, known: Timed, seen: _Seen, context: _Context) -> MetricEvidence:
    empty = (0,) * (len(known.edges) + 1)
    if not _are(Histogram, seen.candidate, seen.stable):
        return Faulty(fault="histograms became samples of another kind during the rollout")
    for sample in (seen.candidate, seen.stable):
        if isinstance(sample, Histogram) and sample.edges != known.edges:
            return Faulty(fault="the edges of the histogram changed during the rollout")
    candidate = seen.candidate.counts if isinstance(seen.candidate, Histogram) else empty
    stable = seen.stable.counts if isinstance(seen.stable, Histogram) else empty
    limit, quantile = guardrail.limit or 0.0, guardrail.quantile or 0.0
    harm_edge = edges_for(known.edges, limit).harm
    tail, exposures = (0 if harm_edge is None else above(candidate, harm_edge)), sum(candidate)
    edge = reference_edge(known.reference, quantile)
    edge = harm_edge if edge is None else edge
    slower = None if edge is None else _slower_edge(guardrail, known.edges, edge)
    phi = dispersion(known.spread, exposures=exposures + sum(stable))
    relative, absolute, spread = _NO_EVIDENCE, (0.0,) * len(known.absolute), known.spread
    if edge is not None and slower is not None:
        arms = (
            Tally(events=above(candidate, slower), exposures=exposures),
            Tally(events=above(stable, edge), exposures=sum(stable)),
        )
        spread = spread.and_look(arms[1].events, arms[1].exposures)
        if not context.warming_up:
            reference = Tally(events=above(known.reference, edge), exposures=sum(known.reference))
            plain = guardrail.model_copy(update={"tolerance": 0.0})
            relative = _relative_log_likelihoods(plain, *arms, reference, phi=phi, context=context)
    limit_spread = known.limit_spread
    if harm_edge is not None:
        if not context.warming_up:
            absolute = beyond_limit_log_likelihoods(tail, exposures, 1 - quantile, dispersion(limit_spread))
        limit_spread = limit_spread.and_look(above(stable, harm_edge), sum(stable))
    judged = (empty, empty) if context.warming_up else (candidate, stable)
    following = known.model_copy(
        update={
            "relative": bet(known.relative, relative, context.weight),
            "absolute": bet(known.absolute, absolute, context.weight),
            "candidate": _plus(known.candidate, judged[0]),
            "stable": _plus(known.stable, judged[1]),
            "reference": _plus(known.reference, stable),
            "spread": spread,
            "limit_spread": limit_spread,
        }
    )
    return _with_proof(guardrail, following, context)


def _slower_edge(guardrail: Guardrail, edges: tuple[float, ...], own: int) -> int | None:
    """Return the edge that stands for "slower than stable, by more than is tolerated", from stable's own edge.

    Without a tolerance of the guardrail's, half of what lies between the stable model's quantile and the limit is.
    """
    tolerated = guardrail.tolerance or max((guardrail.limit or 0.0) - edges[own], 0.0) / 2
    return edges_for(edges, edges[own] + tolerated).harm


def _absorb_means(guardrail: Guardrail, known: Averaged, seen: _Seen, context: _Context) -> MetricEvidence:
    if not _are(Moments, seen.candidate, seen.stable):
        return Faulty(fault="means became samples of another kind during the rollout")
    if context.warming_up:
        return known
    update: dict[str, object] = {}
    if isinstance(seen.candidate, Moments):
        update["candidate"] = merge(known.candidate, seen.candidate)
    if isinstance(seen.stable, Moments):
        update["stable"] = merge(known.stable, seen.stable)
    if seen.paired is not None:
        update["paired"] = seen.paired if known.paired is None else merge_pairs(known.paired, seen.paired)
    following = known.model_copy(update=update)
    return _with_proof(guardrail, following, context)


def _are(kind: type, *samples: Sample | None) -> bool:
    return all(sample is None or isinstance(sample, kind) for sample in samples)


def _harmful(guardrail: Guardrail, sample: Sample | None) -> Tally:
    """Return a sample of counts as harmful events among exposures."""
    if not isinstance(sample, Counts):
        return Tally()
    events = sample.events if guardrail.direction == "lower_is_better" else sample.exposures - sample.events
    return Tally(events=events, exposures=sample.exposures)


def _harm_limit(guardrail: Guardrail) -> float:
    """Return the limit as the largest tolerated share of harmful events."""
    limit = guardrail.limit or 0.0
    return limit if guardrail.direction == "lower_is_better" else 1 - limit


def _plus(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(a + b for a, b in zip(first, second, strict=True))


def _with_proof(guardrail: Guardrail, known: Counted | Timed | Averaged, context: _Context) -> MetricEvidence:
    """Return the evidence with its proof, remembered for the rest of the stage once it is enough."""
    log_e = _proof_log_e(guardrail, known, control=context.control)
    proven = known.proven or (log_e is not None and log_e >= context.log_proof)
    return known.model_copy(update={"log_proof": log_e, "proven": proven})


def alpha_of(plan: CanaryPlan, guardrail: Guardrail) -> float:
    """Return a guardrail's part of the rollback budget."""
    return plan.alpha_rollback * guardrail.share / sum(each.share for each in plan.guardrails)


def _harm_log_e(
    plan: CanaryPlan, guardrail: Guardrail, known: MetricEvidence | None, stage: int, spent: float
) -> float:
    """Return log e of "the candidate harms this metric", over the whole rollout; 0 while nothing is known."""
    match known:
        case Counted() | Timed():
            unspent = 1.0 - spent
            shares = _LOG_RATIO_SHARES if guardrail.direction == "lower_is_better" else _LOG_OUTCOME_SHARES
            relative = log_e_value(known.relative, shares, unspent)
            if guardrail.limit is None:
                return relative
            absolute = log_e_value(known.absolute, _LOG_ODDS_SHARES, unspent)
        case Averaged():
            share = _stage_weight(plan, stage)
            entry = math.log(share) if share > 0 else NEVER
            unspent = 1.0 - math.fsum(_stage_weight(plan, number) for number in range(stage + 1))
            rest = math.log(unspent) if unspent > 1e-12 else NEVER  # noqa: PLR2004 - rounding of a sum of weights
            now = _stage_log_e(plan, guardrail, known)
            relative = log_add(log_add(known.relative, entry) + now[0], rest)
            absolute = log_add(log_add(known.absolute, entry) + now[1], rest)
        case _:
            return 0.0
    if guardrail.limit is None:
        return relative
    return log_add(math.log(RELATIVE_SHARE) + relative, math.log(1 - RELATIVE_SHARE) + absolute)


def total_log_e(plan: CanaryPlan, log_harm: Mapping[str, float]) -> float:
    """Return log e of "the candidate harms anything": the mean over guardrails, weighted by their shares.

    A mean of e-values is one, whatever their dependence (Vovk and Wang, "E-values: calibration, combination and
    applications", Ann. Stat. 49, 2021), so it may be compared with 1/alpha as a whole; one guardrail that reaches
    1/alpha divided by its share is enough, and several that nearly do are too.
    """
    whole = sum(each.share for each in plan.guardrails)
    return log_sum([math.log(each.share / whole) + log_harm[each.metric] for each in plan.guardrails])


def _harmed(plan: CanaryPlan, before: tuple[str, ...], log_harm: Mapping[str, float]) -> tuple[str, ...]:
    """Return the guardrails whose harm is certain now or was at an earlier look."""
    fired = [each.metric for each in plan.guardrails if log_harm[each.metric] >= -math.log(alpha_of(plan, each))]
    if not fired and total_log_e(plan, log_harm) >= -math.log(plan.alpha_rollback):
        fired = [max(log_harm, key=lambda metric: log_harm[metric])]
    return tuple(dict.fromkeys((*before, *fired)))


def _proof_log_e(guardrail: Guardrail, known: Counted | Timed | Averaged, *, control: bool) -> float | None:
    """Return log e of "not worse than the margin allows" in this stage; None where the question does not apply.

    With a margin and a stable arm: against "worse than stable by the margin". Otherwise against "beyond the limit",
    the margin, if any, added to it. A latency's margin is always added to its limit.
    """
    match known:
        case Counted():
            return _count_proof(guardrail, known, control=control)
        case Timed():
            edge = edges_for(known.edges, (guardrail.limit or 0.0) + (guardrail.margin or 0.0)).proof
            if edge is None:
                return 0.0
            total = sum(known.candidate)
            log_e = within_limit_log_e(above(known.candidate, edge), total, 1 - (guardrail.quantile or 0.0))
            return _tempered(log_e, known.limit_spread)
        case Averaged():
            return _mean_proof(guardrail, known, control=control)


def _count_proof(guardrail: Guardrail, known: Counted, *, control: bool) -> float | None:
    if guardrail.margin is not None and control:
        return log_sum([weight + wealth for weight, wealth in zip(_GAIN_WEIGHTS, known.not_worse, strict=True)])
    if guardrail.limit is None:
        return None
    limit = _harm_limit(guardrail) + (guardrail.margin or 0.0)
    if limit >= 1:
        return None
    return _tempered(within_limit_log_e(known.candidate.events, known.candidate.exposures, limit), known.own_spread)


def _mean_proof(guardrail: Guardrail, known: Averaged, *, control: bool) -> float | None:
    sign = 1.0 if guardrail.direction == "lower_is_better" else -1.0
    if guardrail.margin is not None and control:
        estimate, horizon = mean_difference(known)
        return mean_above_log_e(_times(estimate, -sign), -guardrail.margin, _PROOF_LEVEL, horizon)
    if guardrail.limit is None:
        return None
    estimate, horizon = mean_level(known)
    bound = sign * guardrail.limit + (guardrail.margin or 0.0)
    return mean_above_log_e(_times(estimate, -sign), -bound, _PROOF_LEVEL, horizon)


def _tempered(log_e: float, spread: Spread) -> float:
    """Return log e raised to 1/φ where it speaks for the candidate."""
    return max(log_e / dispersion(spread) if log_e > 0 else log_e, NEVER)


def _times(estimate: MeanEstimate, sign: float) -> MeanEstimate:
    return replace(estimate, estimate=sign * estimate.estimate)


def mean_difference(known: Averaged) -> tuple[MeanEstimate, float]:
    """Return candidate - stable in this stage, on the same units where they are known, and the horizon to tune for."""
    if known.paired is not None:
        pair = known.paired
        estimate = mean_of_differences(
            pair.count, pair.treatment_mean, pair.control_mean, pair.treatment_m2, pair.control_m2, pair.cross
        )
        return estimate, PAIRED_HORIZON
    new, old = known.candidate, known.stable
    return difference_of_means(new.count, new.mean, new.m2, old.count, old.mean, old.m2), HORIZON


def mean_level(known: Averaged) -> tuple[MeanEstimate, float]:
    """Return the candidate's own mean in this stage and the horizon to tune for."""
    if known.candidate.count == 0 and known.paired is not None:
        pair = known.paired
        return single_mean(pair.count, pair.treatment_mean, pair.treatment_m2, burn_in=PAIRED_BURN_IN), PAIRED_HORIZON
    return single_mean(known.candidate.count, known.candidate.mean, known.candidate.m2), HORIZON


def _stage_log_e(plan: CanaryPlan, guardrail: Guardrail, known: Averaged) -> tuple[float, float]:
    """Return this stage's log e of "worse than stable" and of "beyond the limit"."""
    sign = 1.0 if guardrail.direction == "lower_is_better" else -1.0
    alpha = alpha_of(plan, guardrail)
    estimate, horizon = mean_difference(known)
    relative = mean_above_log_e(_times(estimate, sign), guardrail.tolerance, alpha, horizon)
    if guardrail.limit is None:
        return relative, 0.0
    estimate, horizon = mean_level(known)
    return relative, mean_above_log_e(_times(estimate, sign), sign * guardrail.limit, alpha, horizon)


def ratio_log_e(evidence: Evidence) -> float:
    """Return log e of "requests are not divided as the router says", over all stages."""
    return evidence.log_ratio if evidence.stage is None else evidence.log_ratio + _stage_ratio_log_e(evidence.stage)


def _stage_ratio_log_e(stage: Stage) -> float:
    return sample_ratio_log_e(stage.assignments, {name: weight / 100 for name, weight in stage.weights.items()})
