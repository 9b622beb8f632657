"""Means: profit, Brier score, on the same units where they are known."""

import math
from dataclasses import replace

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
from firstflight.analysis.log_space import NEVER, log_add
from firstflight.analysis.moments import merge, merge_pairs
from firstflight.decision.evidence import Averaged, Faulty, MetricEvidence
from firstflight.decision.weighing.budget import alpha_of, stage_weight
from firstflight.decision.weighing.window import Context, Seen, are
from firstflight.domain.plans import CanaryPlan, Guardrail
from firstflight.domain.samples import Moments

ASYMPTOTIC_SHARE = 0.5
"""Share of the wealth bet on means: their test is valid for many values only, so half of it is kept back."""
_PROOF_LEVEL = 0.05


def absorb(guardrail: Guardrail, known: Averaged, seen: Seen, context: Context) -> MetricEvidence:
    """Return the evidence after one look; once units are paired, only pairs count."""
    paired = known.paired is not None or seen.paired is not None
    if not paired and not are(Moments, seen):
        return Faulty(fault="means became samples of another kind during the rollout")
    if context.warming_up or not context.typical:
        return known
    following = Averaged(
        relative=known.relative,
        absolute=known.absolute,
        candidate=_merged(known.candidate, seen.candidate),
        stable=_merged(known.stable, seen.stable),
        paired=(
            known.paired
            if seen.paired is None
            else seen.paired
            if known.paired is None
            else merge_pairs(known.paired, seen.paired)
        ),
    )
    proof = _proof_log_e(guardrail, following, control=context.control)
    proven = known.proven or (proof is not None and proof >= context.log_proof)
    return replace(following, log_proof=proof, proven=proven)


def renewed(plan: CanaryPlan, guardrail: Guardrail, known: Averaged, finished: int) -> Averaged:
    """Return the evidence after stage number `finished`: what its beginning and all before have brought."""
    entry = _log(ASYMPTOTIC_SHARE * stage_weight(plan, finished))
    relative, absolute = _stage_log_e(plan, guardrail, known)
    return Averaged(
        relative=log_add(known.relative, entry) + relative, absolute=log_add(known.absolute, entry) + absolute
    )


def harm_log_e(plan: CanaryPlan, guardrail: Guardrail, known: Averaged, stage: int) -> tuple[float, float]:
    """Return log e of "worse than stable" and of "beyond the limit", over the whole rollout."""
    entry = _log(ASYMPTOTIC_SHARE * stage_weight(plan, stage))
    rest = _log(1.0 - ASYMPTOTIC_SHARE * math.fsum([stage_weight(plan, number) for number in range(stage + 1)]))
    relative, absolute = _stage_log_e(plan, guardrail, known)
    return (
        log_add(log_add(known.relative, entry) + relative, rest),
        log_add(log_add(known.absolute, entry) + absolute, rest),
    )


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


def _proof_log_e(guardrail: Guardrail, known: Averaged, *, control: bool) -> float | None:
    """Return log e of what promotion must show in this stage; None where there is nothing that can be shown."""
    sign = 1.0 if guardrail.direction == "lower_is_better" else -1.0
    asked = guardrail.to_prove(control=control)
    if asked is None:
        return None
    estimate, horizon = mean_difference(known) if asked.of == "margin" else mean_level(known)
    bound = asked.held_to if asked.of == "margin" else sign * asked.held_to
    return mean_above_log_e(_times(estimate, -sign), -bound, _PROOF_LEVEL, horizon)


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


def _merged(known: Moments, sample: object) -> Moments:
    return merge(known, sample) if isinstance(sample, Moments) else known


def _times(estimate: MeanEstimate, sign: float) -> MeanEstimate:
    return estimate if sign > 0 else replace(estimate, estimate=-estimate.estimate)


def _log(weight: float) -> float:
    return math.log(weight) if weight > 0 else NEVER
