"""How many requests a sequential test will take, before any is sent.

The log e-value of a test walks upwards by its drift (a Kullback-Leibler divergence per candidate request) until it
reaches its level; the time that takes is near an inverse Gaussian (Wald, "Sequential analysis", 1947, for the mean;
Siegmund, "Sequential analysis", 1985, chapter III, for the approximation of the walk by Brownian motion). The level is
log(1/alpha) plus the logarithms of the shares of wealth that lie on the right alternative and the right beginning.
"""

import math
from dataclasses import dataclass

from scipy.special import log_ndtr, ndtr

from firstflight.analysis.absolute_limit import ODDS, ODDS_WEIGHTS, within_limit_log_e
from firstflight.analysis.bounded_mean import STAKE_WEIGHTS, STAKES, cost
from firstflight.analysis.rate_ratio import RATIO_WEIGHTS, RATIOS
from firstflight.analysis.two_by_two import nearest_on_line

_SURE = 1.645
_MOST = 1e12


@dataclass(frozen=True)
class Requests:
    """Candidate requests until a test decides, in half and in 95 % of the cases; infinite when it never will."""

    median: float
    p95: float


NEVER_DECIDES = Requests(math.inf, math.inf)


def first_passage(level: float, drift: float, variance: float) -> Requests:
    """Return when a walk with this drift and variance per request first reaches `level`."""
    if drift <= 0:
        return NEVER_DECIDES
    mean = level / drift
    if variance <= 0:
        return Requests(mean, mean)
    shape = level**2 / variance
    return Requests(_passage_quantile(mean, shape, 0.5), _passage_quantile(mean, shape, 0.95))


def _passage_quantile(mean: float, shape: float, chance: float) -> float:
    """Return the quantile of the inverse Gaussian distribution by bisection of its logarithm.

    scipy.stats.invgauss.ppf does not converge for walks that vary much more than they drift.
    """
    low, high = math.log(mean) - 60, math.log(mean) + 20
    for _ in range(50):
        middle = (low + high) / 2
        time = math.exp(middle)
        root = math.sqrt(shape / time)
        ahead = float(ndtr(root * (time / mean - 1)))
        behind = math.exp(2 * shape / mean + float(log_ndtr(-root * (time / mean + 1))))
        low, high = (middle, high) if ahead + behind < chance else (low, middle)
    return math.exp(high)


def harm_over_control(
    rate: float, control_rate: float, share: float, alpha: float, *, wealth: float = 1.0, full: bool = False
) -> Requests:
    """Return the requests until a candidate at `rate` is certainly worse than a control at `control_rate`.

    Args:
        rate: Share of harmful events among the candidate's requests.
        control_rate: The same of the stable model.
        share: The candidate's share of traffic, between 0 and 1.
        alpha: Part of the rollback budget the test has.
        wealth: Share of the wealth on this test and on a beginning at once.
        full: Whether both proportions are compared in full, as for common events.
    """
    if rate <= control_rate:
        return NEVER_DECIDES
    ratio = share / (1 - share)
    found = []
    for times, weight in zip(RATIOS, RATIO_WEIGHTS, strict=True):
        level = -math.log(alpha * weight * wealth)
        if full:
            odds = times * control_rate / (1 - control_rate)
            guess = odds / (1 + odds)
            pooled = share * guess + (1 - share) * control_rate
            new, old = _log_odds(guess, pooled), _log_odds(control_rate, pooled)
            drift = _mean(rate, new) + _mean(control_rate, old) / ratio
            variance = _variance(rate, new) + _variance(control_rate, old) / ratio
        else:
            cost = math.log1p(ratio * times) - math.log1p(ratio)
            gain = math.log(times) - cost
            drift = rate * gain - control_rate / ratio * cost
            variance = rate * gain**2 + control_rate / ratio * cost**2
        found.append(first_passage(level, drift, variance))
    return min(found, key=lambda requests: requests.median)


def harm_over_limit(rate: float, limit: float, alpha: float, *, wealth: float = 1.0) -> Requests:
    """Return the requests until a candidate at `rate` is certainly beyond `limit`."""
    if rate <= limit:
        return NEVER_DECIDES
    found = []
    for times, weight in zip(ODDS, ODDS_WEIGHTS, strict=True):
        odds = times * limit / (1 - limit)
        terms = _log_odds(odds / (1 + odds), limit)
        level = -math.log(alpha * weight * wealth)
        found.append(first_passage(level, _mean(rate, terms), _variance(rate, terms)))
    return min(found, key=lambda requests: requests.median)


def proof_within_limit(rate: float, limit: float, alpha: float) -> Requests:
    """Return the requests until a candidate at `rate` is certainly within `limit`."""
    if rate >= limit:
        return NEVER_DECIDES

    def needed(deviations: float) -> float:
        low, high = 1.0, 2.0
        while high < _MOST and _proof(rate, high, limit, deviations) < -math.log(alpha):
            low, high = high, 2 * high
        if high >= _MOST:
            return math.inf
        while high - low > 0.005 * high:
            middle = (low + high) / 2
            low, high = (middle, high) if _proof(rate, middle, limit, deviations) < -math.log(alpha) else (low, middle)
        return high

    return Requests(needed(0.0), needed(_SURE))


def proof_against_control(rate: float, margin: float, share: float, alpha: float, *, wealth: float = 1.0) -> Requests:
    """Return the requests until a candidate as good as a control at `rate` is certainly not worse by `margin`."""
    if rate + margin >= 1:
        return NEVER_DECIDES
    scale = 10**6
    null = nearest_on_line(rate, round(scale * share), rate, round(scale * (1 - share)), margin)
    ratio = share / (1 - share)
    new, old = _log_odds(rate, null.treatment), _log_odds(rate, null.control)
    drift = _mean(rate, new) + _mean(rate, old) / ratio
    variance = _variance(rate, new) + _variance(rate, old) / ratio
    return first_passage(-math.log(alpha * wealth), drift, variance)


def bounded_mean_decides(distance: float, squares: float, alpha: float, *, wealth: float = 1.0) -> Requests:
    """Return the values until bets on a bounded mean show that it lies on the right side of the null.

    The same for harm and for proof; a difference of two means counts one value for each pair.

    Args:
        distance: How far from the null the mean lies, as a share of the width of the bounds.
        squares: Mean squared distance of a value from its guess (of a pair, of its difference from 0), on that scale.
        alpha: Chance of an error the test may make.
        wealth: Share of the wealth on this test and on a beginning at once.
    """
    found = [
        first_passage(-math.log(alpha * weight * wealth), stake * distance - cost(stake) * squares, stake**2 * squares)
        for stake, weight in zip(STAKES, STAKE_WEIGHTS, strict=True)
    ]
    return min(found, key=lambda values: values.median)


def _proof(rate: float, requests: float, limit: float, deviations: float) -> float:
    events = rate * requests + deviations * math.sqrt(rate * requests)
    return within_limit_log_e(min(events, requests), requests, limit)


def _log_odds(guess: float, null: float) -> tuple[float, float]:
    """Return what an event and a non-event add to the log likelihood ratio."""
    return math.log(guess / null), math.log((1 - guess) / (1 - null))


def _mean(rate: float, terms: tuple[float, float]) -> float:
    return rate * terms[0] + (1 - rate) * terms[1]


def _variance(rate: float, terms: tuple[float, float]) -> float:
    return rate * (1 - rate) * (terms[0] - terms[1]) ** 2
