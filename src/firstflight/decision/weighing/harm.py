"""How strongly a guardrail's evidence speaks of harm, over the whole rollout."""

from typing import NamedTuple

from firstflight.analysis.absolute_limit import ODDS_WEIGHTS
from firstflight.analysis.bounded_mean import STAKE_WEIGHTS
from firstflight.analysis.log_space import log_add
from firstflight.analysis.rate_ratio import OUTCOME_WEIGHTS, RATIO_WEIGHTS, TAIL_WEIGHTS
from firstflight.analysis.start_mixture import log_e_value, log_shares
from firstflight.decision.evidence import Averaged, Counted, MetricEvidence, Timed
from firstflight.domain.plans import Guardrail

RELATIVE_SHARE = 2 / 3
"""Share of a guardrail's wealth bet on "worse than stable"; the rest on "beyond the limit"."""
TAIL_RELATIVE_SHARE = 0.85
"""The same for a quantile: what is beyond its limit is slower than stable too, but where stable is as slow."""

_LOG_RATIO_SHARES, _LOG_OUTCOME_SHARES = log_shares(RATIO_WEIGHTS), log_shares(OUTCOME_WEIGHTS)
_LOG_TAIL_SHARES, _LOG_ODDS_SHARES = log_shares(TAIL_WEIGHTS), log_shares(ODDS_WEIGHTS)
_LOG_SIDES = log_shares((RELATIVE_SHARE, 1 - RELATIVE_SHARE))
_LOG_TAIL_SIDES = log_shares((TAIL_RELATIVE_SHARE, 1 - TAIL_RELATIVE_SHARE))
_LOG_STAKE_SHARES = log_shares(STAKE_WEIGHTS)


class Sides(NamedTuple):
    """Log e of "worse than stable" and of "beyond the limit", each with its share; None where it is not asked."""

    stable: float
    limit: float | None


def sides(guardrail: Guardrail, known: Counted | Timed | Averaged, spent: float) -> Sides:
    """Return both sides of the evidence of harm; `spent` is the weight put on beginnings of a fault so far."""
    unspent = 1.0 - spent
    limit_shares, (log_relative, log_absolute) = _LOG_ODDS_SHARES, _LOG_SIDES
    match known:
        case Averaged():
            shares = limit_shares = _LOG_STAKE_SHARES
        case Timed():
            shares, (log_relative, log_absolute) = _LOG_TAIL_SHARES, _LOG_TAIL_SIDES
        case Counted():
            shares = _LOG_RATIO_SHARES if guardrail.direction == "lower_is_better" else _LOG_OUTCOME_SHARES
    relative = log_e_value(known.relative, shares, unspent)
    if guardrail.limit is None:
        return Sides(relative, None)
    return Sides(log_relative + relative, log_absolute + log_e_value(known.absolute, limit_shares, unspent))


def harm_log_e(guardrail: Guardrail, known: MetricEvidence | None, spent: float, *, blame: bool = True) -> float:
    """Return log e of "the candidate harms this metric", over the whole rollout; 0 while nothing is known.

    Without `blame` a broken limit is not held against the candidate, for the stable model may be breaking it too.
    """
    if not isinstance(known, Counted | Timed | Averaged):
        return 0.0
    both = sides(guardrail, known, spent)
    return log_add(both.stable, both.limit) if both.limit is not None and blame else both.stable
