"""How strongly a guardrail's evidence speaks of harm, over the whole rollout."""

from typing import NamedTuple

from firstflight.analysis.absolute_limit import ODDS_WEIGHTS
from firstflight.analysis.log_space import log_add
from firstflight.analysis.rate_ratio import OUTCOME_WEIGHTS, RATIO_WEIGHTS
from firstflight.analysis.start_mixture import log_e_value, log_shares
from firstflight.decision.evidence import Averaged, Counted, MetricEvidence, Timed
from firstflight.decision.weighing import means
from firstflight.domain.plans import CanaryPlan, Guardrail

RELATIVE_SHARE = 2 / 3
"""Share of a guardrail's wealth bet on "worse than stable"; the rest on "beyond the limit"."""

_LOG_RATIO_SHARES, _LOG_OUTCOME_SHARES = log_shares(RATIO_WEIGHTS), log_shares(OUTCOME_WEIGHTS)
_LOG_ODDS_SHARES = log_shares(ODDS_WEIGHTS)
_LOG_RELATIVE, _LOG_ABSOLUTE = log_shares((RELATIVE_SHARE, 1 - RELATIVE_SHARE))
_LOG_BOTH_SHARES, _LOG_BOTH_OUTCOME_SHARES = (
    log_shares([*(RELATIVE_SHARE * each for each in ratios), *((1 - RELATIVE_SHARE) * each for each in ODDS_WEIGHTS)])
    for ratios in (RATIO_WEIGHTS, OUTCOME_WEIGHTS)
)


class Sides(NamedTuple):
    """Log e of "worse than stable" and of "beyond the limit", each with its share; None where it is not asked."""

    stable: float
    limit: float | None


def sides(plan: CanaryPlan, guardrail: Guardrail, known: Counted | Timed | Averaged, stage: int, spent: float) -> Sides:
    """Return both sides of the evidence of harm; `spent` is the weight put on beginnings of a fault so far."""
    if isinstance(known, Averaged):
        relative, absolute = means.harm_log_e(plan, guardrail, known, stage)
    else:
        unspent = 1.0 - spent
        shares = _LOG_RATIO_SHARES if guardrail.direction == "lower_is_better" else _LOG_OUTCOME_SHARES
        relative = log_e_value(known.relative, shares, unspent)
        if guardrail.limit is None:
            return Sides(relative, None)
        absolute = log_e_value(known.absolute, _LOG_ODDS_SHARES, unspent)
    if guardrail.limit is None:
        return Sides(relative, None)
    return Sides(_LOG_RELATIVE + relative, _LOG_ABSOLUTE + absolute)


def harm_log_e(
    plan: CanaryPlan,
    guardrail: Guardrail,
    known: MetricEvidence | None,
    stage: int,
    spent: float,
    *,
    blame: bool = True,
) -> float:
    """Return log e of "the candidate harms this metric", over the whole rollout; 0 while nothing is known.

    Without `blame` a broken limit is not held against the candidate, for the stable model may be breaking it too.
    """
    if not isinstance(known, Counted | Timed | Averaged):
        return 0.0
    if isinstance(known, Averaged) or guardrail.limit is None or not blame:
        both = sides(plan, guardrail, known, stage, spent)
        return both.stable if both.limit is None or not blame else log_add(both.stable, both.limit)
    shares = _LOG_BOTH_SHARES if guardrail.direction == "lower_is_better" else _LOG_BOTH_OUTCOME_SHARES
    return log_e_value(known.relative + known.absolute, shares, 1.0 - spent)
