"""Latency: whether more values than allowed lie above an edge of a histogram."""

import operator

from firstflight.analysis.absolute_limit import beyond_limit_log_likelihoods, within_limit_log_e
from firstflight.analysis.dispersion import Spread, dispersion
from firstflight.analysis.exceedance import above, edges_for, reference_edge
from firstflight.analysis.rate_ratio import beyond_share_log_likelihoods
from firstflight.analysis.start_mixture import bet
from firstflight.decision.evidence import Faulty, MetricEvidence, Tally, Timed
from firstflight.decision.weighing.counts import NO_HARM, NOT_BEYOND, tempered, worse_than_stable
from firstflight.decision.weighing.window import Context, Seen, are
from firstflight.domain.plans import Guardrail
from firstflight.domain.samples import Histogram


def absorb(guardrail: Guardrail, known: Timed, seen: Seen, context: Context) -> MetricEvidence:
    """Return the evidence after one look."""
    if not are(Histogram, seen):
        return Faulty(fault="histograms became samples of another kind during the rollout")
    for sample in (seen.candidate, seen.stable):
        if isinstance(sample, Histogram) and sample.edges != known.edges:
            return Faulty(fault="the edges of the histogram changed during the rollout")
    empty = (0,) * (len(known.edges) + 1)
    candidate = seen.candidate.counts if isinstance(seen.candidate, Histogram) else empty
    stable = seen.stable.counts if isinstance(seen.stable, Histogram) else empty
    exposures, stable_exposures = sum(candidate), sum(stable)
    limit, quantile = guardrail.limit or 0.0, guardrail.quantile or 0.0
    harm_edge = edges_for(known.edges, limit).harm
    reference = _plus(known.reference, stable) if context.typical else known.reference
    own_edge = reference_edge(reference, quantile)
    worse, beyond, spread, limit_spread = NO_HARM, NOT_BEYOND, known.spread, known.limit_spread
    if own_edge is not None:
        slower = _slower_edge(guardrail, known.edges, own_edge)
        if slower is not None and not context.warming_up and context.comparable:
            slow, also = Tally(above(candidate, slower), exposures), Tally(above(stable, slower), stable_exposures)
            usual = Tally(above(known.reference, slower), sum(known.reference))
            phi = dispersion(spread, exposures=max(exposures, stable_exposures))
            more = worse_than_stable(slow, also, usual, 0.0, phi=phi, warming_up=False, failures=True)
            beyond_share = beyond_share_log_likelihoods(*slow, 1 - quantile, dispersion=phi)
            worse = tuple(map(min, more, beyond_share))  # what slows both is held against neither
        spread = spread.and_look(above(stable, own_edge), stable_exposures) if context.typical else spread
    if harm_edge is not None:
        if not context.warming_up:
            beyond = beyond_limit_log_likelihoods(
                above(candidate, harm_edge), exposures, 1 - quantile, dispersion(limit_spread)
            )
        if context.typical:
            limit_spread = limit_spread.and_look(above(stable, harm_edge), stable_exposures)
    served = known.candidate if context.warming_up else _plus(known.candidate, candidate)
    proof = _proof_log_e(guardrail, known.edges, served, limit_spread)
    return Timed(
        edges=known.edges,
        relative=bet(known.relative, worse, context.weight),
        absolute=bet(known.absolute, beyond, context.weight),
        candidate=served,
        stable=known.stable if context.warming_up else _plus(known.stable, stable),
        reference=reference,
        spread=spread,
        limit_spread=limit_spread,
        log_proof=proof,
        proven=known.proven or proof >= context.log_proof,
    )


def renewed(known: Timed) -> Timed:
    """Return the evidence at the beginning of a stage; proof is never carried over."""
    empty = (0,) * (len(known.edges) + 1)
    return Timed(
        edges=known.edges,
        relative=known.relative,
        absolute=known.absolute,
        candidate=empty,
        stable=empty,
        reference=known.reference,
        spread=known.spread,
        limit_spread=known.limit_spread,
    )


def _slower_edge(guardrail: Guardrail, edges: tuple[float, ...], own: int) -> int | None:
    """Return the edge that stands for "slower than stable, by more than is tolerated", from stable's own edge."""
    return edges_for(edges, edges[own] + guardrail.tolerated(edges[own])).harm


def _proof_log_e(
    guardrail: Guardrail, edges: tuple[float, ...], served: tuple[int, ...], limit_spread: Spread
) -> float:
    """Return log e of "the quantile is within what promotion must show" in this stage."""
    asked = guardrail.to_prove(control=False)
    edge = edges_for(edges, asked.held_to).proof if asked else None
    if edge is None:
        return 0.0
    log_e = within_limit_log_e(above(served, edge), sum(served), 1 - (guardrail.quantile or 0.0))
    return tempered(log_e, limit_spread)


def _plus(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(operator.add, first, second))
