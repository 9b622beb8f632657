"""Whether the stable model keeps its own limits: a roll-back is only as safe as what it leads to."""

import math
from dataclasses import replace

from firstflight.analysis.absolute_limit import (
    ODDS,
    ODDS_WEIGHTS,
    beyond_limit_log_likelihoods,
    within_limit_log_e,
)
from firstflight.analysis.dispersion import dispersion
from firstflight.analysis.exceedance import above, edges_for
from firstflight.analysis.log_space import NEVER, log_add
from firstflight.analysis.start_mixture import bet, log_e_value, log_shares
from firstflight.decision.evidence import NO_EVENTS, NO_LOOKS, Counted, Home, MetricEvidence, Tally, Timed
from firstflight.decision.weighing.counts import harmful, harmful_share
from firstflight.decision.weighing.window import Context
from firstflight.domain.plans import Guardrail
from firstflight.domain.samples import Counts, Histogram, Sample

SUSPECTED = math.log(3)
"""Log evidence from which on what breaks a limit may be a cause outside both arms, and is held against neither."""

UNKNOWN = Home(beyond=())
"""Nothing is known of the stable model."""

_LOG_SHARES = log_shares(ODDS_WEIGHTS)


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
    told = _told(guardrail, sample)
    if told is None:
        return known
    tally, limit = told
    untouched = (log_add(context.log_spent, _log(context.weight)),) * len(ODDS)
    home = known or Home(beyond=(context.log_spent,) * len(ODDS))
    if home.failing:
        since = home.since.plus(tally)
        kept = within_limit_log_e(since.events, since.exposures, limit)
        if kept >= context.log_proof:
            return Home(beyond=untouched)
        return replace(home, since=since if kept > 0 else NO_EVENTS, failed=home.failed.plus(tally))
    looks = (
        metric.spread if isinstance(metric, Counted) else metric.limit_spread if isinstance(metric, Timed) else NO_LOOKS
    )
    terms = beyond_limit_log_likelihoods(tally.events, tally.exposures, limit, dispersion(looks))
    beyond = bet(home.beyond, terms, context.weight)
    log_e = log_e_value(beyond, _LOG_SHARES, context.unspent)
    if log_e < certain:
        return Home(beyond=beyond, log_e=log_e)
    return Home(beyond=untouched, log_e=log_e, failing=True, failed=tally)


def _log(weight: float) -> float:
    return math.log(weight) if weight > 0 else NEVER


def _told(guardrail: Guardrail, sample: Sample | None) -> tuple[Tally, float] | None:
    """Return the stable model's harmful events and the share of them that the limit allows."""
    if guardrail.limit is None:
        return None
    match sample:
        case Counts() if not guardrail.share_fault():
            return harmful(guardrail, sample), harmful_share(guardrail, guardrail.limit)
        case Histogram(edges=edges, counts=counts) if guardrail.quantile is not None:
            edge = edges_for(edges, guardrail.limit).harm
            return None if edge is None else (Tally(above(counts, edge), sum(counts)), 1 - guardrail.quantile)
    return None
