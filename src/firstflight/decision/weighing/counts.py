"""Failures, wrong answers: events among exposures."""

import math

from firstflight.analysis.absolute_limit import ODDS, beyond_limit_log_likelihoods, within_limit_log_e
from firstflight.analysis.dispersion import Spread, dispersion
from firstflight.analysis.log_space import NEVER, log_sum
from firstflight.analysis.rate_ratio import RATIOS, rate_ratio_log_likelihoods
from firstflight.analysis.start_mixture import bet
from firstflight.analysis.two_by_two import not_worse_log_likelihoods, worse_log_likelihoods
from firstflight.decision.evidence import Counted, Faulty, MetricEvidence, Tally
from firstflight.decision.weighing.window import Context, Seen, are
from firstflight.domain.plans import Guardrail
from firstflight.domain.samples import Counts, Moments, Sample

WARMUP_RATIO = 3.0
"""While a candidate warms up, failures up to this many times the stable model's are put down to that."""
COMMON = 0.02
"""From this rate of the stable model on, both proportions are compared in full; below, only the events count."""
FIRST_GUESS = 0.01
"""Rate of events the stable model is taken to have before it has shown any; a bad guess costs power, not validity."""
OUTCOME_CAUTION = 10
"""Degrees of freedom by which common outcomes are taken to be clustered until they show that they are not."""
OUTCOME_EXCESS = 2.2
"""How much more clustered outcomes are taken to be than estimated, before harm is called certain."""
NO_HARM = (0.0,) * len(RATIOS)
"""What a look says that says nothing of "worse than stable"."""
NOT_BEYOND = (0.0,) * len(ODDS)
"""What a look says that says nothing of "beyond the limit"."""
_ENOUGH = 50
_GAIN_WEIGHTS = (math.log(0.7), math.log(0.3))


def absorb(guardrail: Guardrail, known: Counted, seen: Seen, context: Context) -> MetricEvidence:
    """Return the evidence after one look."""
    if not are((Counts, Moments), seen):
        return Faulty(fault="counts became samples of another kind during the rollout")
    candidate, stable = harmful(guardrail, seen.candidate), harmful(guardrail, seen.stable)
    reference = Tally(known.spread.events, known.spread.exposures)
    exposures = max(candidate.exposures, stable.exposures)
    common = _is_common(reference)
    phi = dispersion(known.spread, exposures=exposures, caution=OUTCOME_CAUTION if common else 0)
    harm_phi = phi
    if common:  # by stable's looks alone: a late fault would hide behind what it does to the candidate's own
        harm_phi = 1 + (phi - 1) * OUTCOME_EXCESS
    worse = NO_HARM
    if context.comparable:
        worse = worse_than_stable(
            candidate,
            stable,
            reference,
            guardrail.tolerance,
            phi=harm_phi,
            warming_up=context.warming_up,
            failures=guardrail.direction == "lower_is_better",
        )
    relative = bet(known.relative, worse, context.weight)
    spread = known.spread.and_look(stable.events, stable.exposures) if context.typical else known.spread
    if context.warming_up:
        return Counted(
            relative=relative,
            absolute=bet(known.absolute, NOT_BEYOND, context.weight),
            not_worse=known.not_worse,
            candidate=known.candidate,
            stable=known.stable,
            spread=spread,
            own_spread=known.own_spread,
            log_proof=known.log_proof,
            proven=known.proven,
        )
    absolute = known.absolute
    if guardrail.limit is not None:
        limit = harmful_share(guardrail, guardrail.limit)
        beyond = beyond_limit_log_likelihoods(candidate.events, candidate.exposures, limit, phi)
        absolute = bet(absolute, beyond, context.weight)
    not_worse, own = known.not_worse, known.own_spread
    if guardrail.margin is not None and context.control and context.typical:
        guess = reference.plus(Tally(own.events, own.exposures))
        gains = not_worse_log_likelihoods(
            candidate.events,
            candidate.exposures,
            stable.events,
            stable.exposures,
            expected_rate=(guess.events + 0.5 * min(guardrail.margin, 1.0)) / (guess.exposures + 1),
            margin=guardrail.margin,
            dispersion=phi,
        )
        not_worse = tuple([max(before + gain, NEVER) for before, gain in zip(not_worse, gains, strict=True)])
    own = own.and_look(candidate.events, candidate.exposures)
    served = known.candidate.plus(candidate)
    proof = _proof_log_e(guardrail, served, own, not_worse, control=context.control)
    return Counted(
        relative=relative,
        absolute=absolute,
        not_worse=not_worse,
        candidate=served,
        stable=known.stable.plus(stable),
        spread=spread,
        own_spread=own,
        log_proof=proof,
        proven=known.proven or (proof is not None and proof >= context.log_proof),
    )


def _proof_log_e(
    guardrail: Guardrail, served: Tally, own: Spread, not_worse: tuple[float, ...], *, control: bool
) -> float | None:
    """Return log e of what promotion must show in this stage; None where there is nothing that can be shown."""
    asked = guardrail.to_prove(control=control)
    if asked is None:
        return None
    if asked.of == "margin":
        return log_sum([weight + wealth for weight, wealth in zip(_GAIN_WEIGHTS, not_worse, strict=True)])
    limit = harmful_share(guardrail, asked.held_to)
    return tempered(within_limit_log_e(served.events, served.exposures, limit), own) if limit < 1 else None


def renewed(known: Counted) -> Counted:
    """Return the evidence at the beginning of a stage; proof is never carried over."""
    return Counted(relative=known.relative, absolute=known.absolute, spread=known.spread, own_spread=known.own_spread)


def worse_than_stable(
    candidate: Tally,
    stable: Tally,
    reference: Tally,
    tolerance: float,
    *,
    phi: float,
    warming_up: bool,
    failures: bool,
) -> tuple[float, ...]:
    """Return what one look says of "the candidate's events are more frequent than the stable model's".

    `reference` are the stable model's events before this look, or `FIRST_GUESS`. In a
    warm-up only `failures` say something, and only beyond a multiple of the stable model's: with a tolerance they must
    exceed both, and the weaker of the two likelihood ratios bounds either.
    """
    arms = (candidate.events, candidate.exposures, stable.events, stable.exposures)
    if warming_up and not failures:
        return NO_HARM
    found = NO_HARM
    if tolerance > 0:
        rate = _rate(reference) if reference.exposures else FIRST_GUESS
        found = worse_log_likelihoods(*arms, control_rate=rate, tolerance=tolerance, dispersion=phi)
    if warming_up:
        blatant = rate_ratio_log_likelihoods(*arms, null_ratio=WARMUP_RATIO, dispersion=phi)
        return tuple(map(min, found, blatant)) if tolerance > 0 else blatant
    if tolerance > 0:
        return found
    if _is_common(reference):
        return worse_log_likelihoods(*arms, control_rate=_rate(reference), dispersion=phi)
    return rate_ratio_log_likelihoods(*arms, dispersion=phi)


def tempered(log_e: float, spread: Spread) -> float:
    """Return log e raised to 1/φ where it speaks for the candidate."""
    return max(log_e / dispersion(spread) if log_e > 0 else log_e, NEVER)


def harmful_share(guardrail: Guardrail, value: float) -> float:
    """Return the share of harmful events that a share of `value` means."""
    return value if guardrail.direction == "lower_is_better" else 1 - value


def harmful(guardrail: Guardrail, sample: Sample | None) -> Tally:
    """Return a sample as harmful events among exposures; of blocks each counts once, by its share of them."""
    match sample:
        case Counts(exposures=exposures, events=events):
            found = float(events)
        case Moments(count=exposures, mean=mean):
            found = exposures * min(max(mean, 0.0), 1.0)
        case _:
            return Tally()
    return Tally(found if guardrail.direction == "lower_is_better" else exposures - found, exposures)


def _rate(tally: Tally) -> float:
    """Return the share of events, strictly between 0 and 1."""
    return (tally.events + 0.5) / (tally.exposures + 1)


def _is_common(reference: Tally) -> bool:
    return reference.exposures >= _ENOUGH and _rate(reference) >= COMMON
