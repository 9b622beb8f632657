"""Whether a proportion is beyond, or certainly within, an absolute limit.

Both directions are Bernoulli likelihood ratios against the limit itself, which is the least favourable value of
either null: the ratio is monotone in the number of events.
"""

import functools
import math

from scipy.special.cython_special import betainc, betaln  # to the last bit those of arrays, at a fifth of the time

ODDS = (1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0)
"""Alternatives bet on, uniformly: the limit's odds times these (for a small limit, the limit times these)."""

ODDS_WEIGHTS = (1 / len(ODDS),) * len(ODDS)

_LAST_EXACT = 1e-250
"""SciPy's incomplete beta function loses digits on its way to underflow: at 1e-268 six are left, at 1e-284 three."""


@functools.lru_cache(maxsize=256)
def _log_likelihoods(limit: float) -> tuple[tuple[float, float], ...]:
    """Return, per alternative, what one event and one non-event add."""
    odds = limit / (1 - limit)
    rates = tuple(times * odds / (1 + times * odds) for times in ODDS)
    return tuple((math.log(rate / limit), math.log((1 - rate) / (1 - limit))) for rate in rates)


def beyond_limit_log_likelihoods(
    events: float, exposures: int, limit: float, dispersion: float = 1.0
) -> tuple[float, ...]:
    """Return the log likelihood ratio of each of `ODDS` against "p ≤ limit" for one look.

    L = (q/p0)^s · ((1-q)/(1-p0))^f, as given in Wald, "Sequential analysis" (1947), mixed over q and over
    beginnings by `start_mixture`. `limit` lies strictly between 0 and 1.
    """
    failures = exposures - events
    return tuple([(events * event + failures * none) / dispersion for event, none in _log_likelihoods(limit)])


@functools.lru_cache(maxsize=256)
def _prior(limit: float) -> tuple[float, float, float]:
    """Return a and b of the mixture and the logarithm of what is left of it below the limit."""
    a, b = 0.5, 0.5 / limit
    return a, b, float(betaln(a, b) + math.log(betainc(a, b, limit)))


def within_limit_log_e(events: float, exposures: float, limit: float) -> float:
    """Return log e against "p ≥ limit" for all the events of a stage so far.

    The mixture of the Bernoulli likelihood ratio over a Beta(½, ½/limit) distribution cut off at the limit (the
    one-sided beta-binomial mixture of Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric,
    nonasymptotic confidence sequences", Ann. Stat. 49, 2021, proposition 7; the two-sided one is proposition 6):

        log e = log B(a+s, b+f)·I(p0; a+s, b+f) - log B(a, b)·I(p0; a, b) - s·log p0 - f·log(1-p0)

    Where the incomplete beta function nears underflow, the proportion is far above the limit: the answer is -inf,
    never a floor, which would make the worst candidate look safe.
    """
    a, b, prior = _prior(limit)
    failures = exposures - events
    tail = betainc(a + events, b + failures, limit)
    if tail < _LAST_EXACT:
        return -math.inf
    return float(
        betaln(a + events, b + failures)
        + math.log(tail)
        - prior
        - events * math.log(limit)
        - failures * math.log1p(-limit)
    )
