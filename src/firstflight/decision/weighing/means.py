"""Means of bounded values: profit, Brier score, and whatever comes in blocks, on the same blocks where they are known.

Looks are never pooled: what counts is the difference of both arms within each, so what moves both cancels.
"""

from dataclasses import replace

from firstflight.analysis.bounded_mean import Bets, fits, of_differences, of_two_arms, of_values
from firstflight.analysis.dispersion import mean_dispersion
from firstflight.analysis.moments import from_counts, merge, merge_pairs, treatment_arm
from firstflight.analysis.start_mixture import bet
from firstflight.decision.evidence import NO_BETS, NO_VALUES, Averaged, Faulty, MetricEvidence
from firstflight.decision.weighing.counts import OUTCOME_CAUTION
from firstflight.decision.weighing.window import Context, Seen
from firstflight.domain.plans import Guardrail
from firstflight.domain.samples import Counts, Moments, PairedMoments, Sample

NOTHING = (0.0,) * len(NO_BETS.costs)
"""What a look says that says nothing."""


def absorb(guardrail: Guardrail, known: Averaged, seen: Seen, context: Context) -> MetricEvidence:
    """Return the evidence after one look; once blocks are paired, only pairs count."""
    new, old = moments_of(seen.candidate), moments_of(seen.stable)
    if new is None or old is None:
        return Faulty(fault="means became samples of another kind during the rollout")
    pairs = seen.paired
    if known.paired is not None or pairs is not None:
        new = old = NO_VALUES
    bounds = guardrail.value_bounds
    if bounds is None:
        return known if context.warming_up else _seen(known, new, old, pairs)
    if not all(fits(values, *bounds) for values in (new, old, *_arms_of(pairs))):
        return Faulty(fault=f"a value lies beyond the bounds {bounds[0]:g} and {bounds[1]:g} of {guardrail.metric}")
    own, other, both = _scaled(guardrail, new), _scaled(guardrail, old), _scaled_pairs(guardrail, pairs)
    phi = mean_dispersion(known.spread, exposures=max(own.count, other.count), caution=OUTCOME_CAUTION)
    guesses = known.guesses or (0.5, 0.5)
    gap = of_two_arms(own, other, guesses[1]) if both is None else of_differences(both)
    level = of_values(own, guesses[0]) if both is None else of_values(treatment_arm(both), guesses[0])
    phi = phi if both is None else 1.0
    judged = context.comparable and not context.warming_up
    tolerance = guardrail.tolerance / (bounds[1] - bounds[0])
    following = replace(
        known if context.warming_up else _seen(known, new, old, pairs),
        relative=bet(known.relative, _tempered(gap.above(tolerance), phi) if judged else NOTHING, context.weight),
        spread=known.spread.and_look(other) if context.typical else known.spread,
        guesses=_guesses(guesses, own, other, both),
    )
    if context.warming_up:
        return replace(following, absolute=bet(known.absolute, NOTHING, context.weight))
    beyond = NOTHING if guardrail.limit is None else _tempered(level.above(_harm(guardrail, guardrail.limit)), phi)
    following = replace(
        following,
        absolute=bet(known.absolute, beyond, context.weight),
        gap=known.gap.plus(gap, phi) if context.typical else known.gap,
        level=known.level.plus(level, phi),
    )
    proof = _proof_log_e(guardrail, following, control=context.control)
    proven = known.proven or (proof is not None and proof >= context.log_proof)
    return replace(following, log_proof=proof, proven=proven)


def renewed(known: Averaged) -> Averaged:
    """Return the evidence at the beginning of a stage; proof is never carried over."""
    return Averaged(relative=known.relative, absolute=known.absolute, spread=known.spread, guesses=known.guesses)


def moments_of(sample: Sample | None) -> Moments | None:
    """Return a sample as moments, those of nothing where there is none; None where it is of another kind."""
    match sample:
        case None:
            return NO_VALUES
        case Moments():
            return sample
        case Counts():
            return from_counts(sample)
    return None


def of_stable(guardrail: Guardrail, known: Averaged, sample: Sample) -> tuple[Moments, Bets, float] | None:
    """Return the stable model's values of a look, the bets on their mean and the limit, scaled; None without bounds."""
    values, bounds = moments_of(sample), guardrail.value_bounds
    if values is None or bounds is None or guardrail.limit is None or not fits(values, *bounds):
        return None
    scaled = _scaled(guardrail, values)
    return scaled, of_values(scaled, (known.guesses or (0.5, 0.5))[1]), _harm(guardrail, guardrail.limit)


def interval(guardrail: Guardrail, known: Averaged, alpha: float, *, difference: bool) -> tuple[float, float] | None:
    """Return the always-valid interval of candidate - stable, or of the candidate's mean, in the metric's unit."""
    if guardrail.value_bounds is None:
        return None
    least, most = guardrail.value_bounds
    width = most - least
    low, high = (known.gap if difference else known.level).interval(alpha)
    ends = (max(low, -1.0 if difference else 0.0) * width, min(high, 1.0) * width)
    if guardrail.direction == "higher_is_better":
        return (-ends[1], -ends[0]) if difference else (most - ends[1], most - ends[0])
    return ends if difference else (least + ends[0], least + ends[1])


def _proof_log_e(guardrail: Guardrail, known: Averaged, *, control: bool) -> float | None:
    """Return log e of what promotion must show in this stage; None where there is nothing that can be shown."""
    asked, bounds = guardrail.to_prove(control=control), guardrail.value_bounds
    if asked is None or bounds is None:
        return None
    if asked.of == "margin":
        return known.gap.log_e_below(asked.held_to / (bounds[1] - bounds[0]))
    return known.level.log_e_below(_harm(guardrail, asked.held_to))


def _seen(known: Averaged, new: Moments, old: Moments, pairs: PairedMoments | None) -> Averaged:
    """Return the evidence with what both arms showed, as people see it."""
    together = pairs if known.paired is None or pairs is None else merge_pairs(known.paired, pairs)
    return replace(
        known, candidate=merge(known.candidate, new), stable=merge(known.stable, old), paired=together or known.paired
    )


def _guesses(
    known: tuple[float, float], own: Moments, other: Moments, both: PairedMoments | None
) -> tuple[float, float]:
    """Return the last mean of either arm, kept between 0 and 1 whatever rounding says."""
    new = both.treatment_mean if both else own.mean if own.count else known[0]
    old = both.control_mean if both else other.mean if other.count else known[1]
    return min(max(new, 0.0), 1.0), min(max(old, 0.0), 1.0)


def _harm(guardrail: Guardrail, value: float) -> float:
    """Return a value between its bounds on the scale from 0, the best, to 1, the worst."""
    least, most = guardrail.value_bounds or (0.0, 1.0)
    return (value - least if guardrail.direction == "lower_is_better" else most - value) / (most - least)


def _scaled(guardrail: Guardrail, values: Moments) -> Moments:
    if values.count == 0:
        return NO_VALUES
    least, most = guardrail.value_bounds or (0.0, 1.0)
    return Moments(count=values.count, mean=_harm(guardrail, values.mean), m2=values.m2 / (most - least) ** 2)


def _scaled_pairs(guardrail: Guardrail, pairs: PairedMoments | None) -> PairedMoments | None:
    if pairs is None:
        return None
    least, most = guardrail.value_bounds or (0.0, 1.0)
    square = (most - least) ** 2
    return PairedMoments(
        count=pairs.count,
        control_mean=_harm(guardrail, pairs.control_mean),
        treatment_mean=_harm(guardrail, pairs.treatment_mean),
        control_m2=pairs.control_m2 / square,
        treatment_m2=pairs.treatment_m2 / square,
        cross=pairs.cross / square,
    )


def _arms_of(pairs: PairedMoments | None) -> tuple[Moments, ...]:
    if pairs is None:
        return ()
    control = Moments(count=pairs.count, mean=pairs.control_mean, m2=pairs.control_m2)
    return control, treatment_arm(pairs)


def _tempered(log_ratios: tuple[float, ...], phi: float) -> tuple[float, ...]:
    return log_ratios if phi == 1.0 else tuple([each / phi for each in log_ratios])
