"""Whether the stable model keeps its own limits: a roll-back is only as safe as what it leads to."""

import math
from dataclasses import replace
from typing import NamedTuple

from firstflight.analysis.absolute_limit import ODDS_WEIGHTS, beyond_limit_log_likelihoods
from firstflight.analysis.bounded_mean import STAKE_WEIGHTS, STAKES
from firstflight.analysis.dispersion import Spread, dispersion, mean_dispersion
from firstflight.analysis.exceedance import above, edges_for
from firstflight.analysis.log_space import NEVER, log_add
from firstflight.analysis.start_mixture import bet, log_e_value, log_shares
from firstflight.decision.evidence import NO_LOOKS, Averaged, Counted, Home, MetricEvidence, Tally, Timed
from firstflight.decision.weighing import means
from firstflight.decision.weighing.counts import harmful, harmful_share
from firstflight.decision.weighing.window import Context
from firstflight.domain.plans import Guardrail
from firstflight.domain.samples import Counts, Histogram, Moments, Sample

SUSPECTED = math.log(3)
"""Log evidence from which on what breaks a limit may be a cause outside both arms, and is held against neither."""
UNKNOWN = Home(beyond=())
"""Nothing is known of the stable model."""
_WELL = 0.25
"""A stable model that is well again is taken to have this part of what its limit allows."""
_KEPT_STAKE = STAKES.index(0.3)

_LOG_ODDS_SHARES, _LOG_STAKE_SHARES = log_shares(ODDS_WEIGHTS), log_shares(STAKE_WEIGHTS)


def after_look(
    guardrail: Guardrail,
    known: Home | None,
    metric: MetricEvidence | None,
    sample: Sample | None,
    context: Context,
    certain: float,
) -> Home | None:
    """Return what is known of the stable model after one look; None while nothing of it can be held to a limit.

    That it fails is told by the evidence of the whole rollout, at `certain`. That it is well again is told by the looks
    since the last one that spoke against it. `metric` is the guardrail's evidence before the look, for how looks vary.
    """
    told = _told(guardrail, metric, sample)
    if told is None:
        return known
    weights = _LOG_STAKE_SHARES if isinstance(metric, Averaged) else _LOG_ODDS_SHARES
    home = known or Home(beyond=(context.log_spent,) * len(told.beyond))
    if home.failing:
        kept = max(home.log_kept + told.kept, 0.0)
        if kept >= context.log_proof:
            return Home(beyond=_untouched(context, len(told.beyond)))
        return replace(home, log_kept=kept, failed=home.failed.plus(told.harmful))
    beyond = bet(home.beyond, told.beyond, context.weight)
    log_e = log_e_value(beyond, weights, context.unspent)
    if log_e < certain:
        return Home(beyond=beyond, log_e=log_e)
    return Home(beyond=_untouched(context, len(told.beyond)), log_e=log_e, failing=True, failed=told.harmful)


def _untouched(context: Context, alternatives: int) -> tuple[float, ...]:
    """Return the wealth of each alternative as if the looks so far had said nothing."""
    return (log_add(context.log_spent, _log(context.weight)),) * alternatives


class _Told(NamedTuple):
    """What one look of the stable model says: harmful events, and log likelihood ratios of "beyond" and of "kept"."""

    harmful: Tally
    beyond: tuple[float, ...]
    kept: float


def _told(guardrail: Guardrail, metric: MetricEvidence | None, sample: Sample | None) -> _Told | None:
    """Return what a look says of the stable model's own limit; None where it says nothing."""
    if guardrail.limit is None or sample is None:
        return None
    if isinstance(metric, Averaged):
        return _told_of_mean(guardrail, metric, sample)
    if isinstance(sample, Histogram) and guardrail.quantile is not None:
        edge = edges_for(sample.edges, guardrail.limit).harm
        slow = Tally() if edge is None else Tally(above(sample.counts, edge), sum(sample.counts))
        return _told_of_share(
            slow, 1 - guardrail.quantile, metric.limit_spread if isinstance(metric, Timed) else NO_LOOKS
        )
    if isinstance(sample, Counts) or (isinstance(sample, Moments) and guardrail.is_share):
        spread = metric.spread if isinstance(metric, Counted) else NO_LOOKS
        limit = harmful_share(guardrail, guardrail.limit)
        return None if guardrail.share_fault() else _told_of_share(harmful(guardrail, sample), limit, spread)
    return None  # means are judged from their second look on


def _told_of_share(tally: Tally, limit: float, spread: Spread) -> _Told:
    well = _WELL * limit
    kept = tally.events * math.log(_WELL) + (tally.exposures - tally.events) * math.log((1 - well) / (1 - limit))
    return _Told(tally, beyond_limit_log_likelihoods(tally.events, tally.exposures, limit, dispersion(spread)), kept)


def _told_of_mean(guardrail: Guardrail, metric: Averaged, sample: Sample) -> _Told | None:
    found = means.of_stable(guardrail, metric, sample)
    if found is None:
        return None
    values, bets, limit = found
    phi = mean_dispersion(metric.spread)
    kept = bets.below(limit)[_KEPT_STAKE] / phi
    return _Told(Tally(values.count * values.mean, values.count), tuple([e / phi for e in bets.above(limit)]), kept)


def _log(weight: float) -> float:
    return math.log(weight) if weight > 0 else NEVER
