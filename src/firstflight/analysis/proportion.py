"""Interval for a proportion that may be looked at as often as one likes."""

import functools
import math
from math import log, log1p
from typing import NamedTuple

from scipy.special.cython_special import betaln

_STEPS = 100
_EDGE = 1e-12
_NEAR = 1e-7
"""A Newton step this small, relative to the rate or what it lacks to 1, is the last: the next would not show."""


class Interval(NamedTuple):
    """Always-valid interval; an end is infinite where the data cannot bound it."""

    low: float
    high: float


@functools.lru_cache(maxsize=256)
def _log_beta(a: float, b: float) -> float:
    return float(betaln(a, b))


def log_mixture(events: float, exposures: int, rate: float, prior: tuple[float, float] = (0.5, 0.5)) -> float:
    """Return the log of the two-sided beta-binomial mixture against `rate`, an e-process when `rate` is the truth.

    log M(p) = log B(a+s, b+f) - log B(a, b) - s·log p - f·log(1-p)  (Robbins, 1970; Howard et al., Ann. Stat. 49,
    2021, proposition 6 mixes the same likelihood).
    """
    a, b = prior
    failures = exposures - events
    return float(
        betaln(a + events, b + failures)
        - _log_beta(a, b)
        - (events * log(rate) if events else 0.0)
        - (failures * log1p(-rate) if failures else 0.0)
    )


def proportion_interval(
    events: float, exposures: int, alpha: float = 0.05, prior: tuple[float, float] = (0.5, 0.5)
) -> Interval:
    """Return the rates the mixture has not yet rejected at level `alpha`: a confidence sequence for a proportion.

    {p : log M(p) < log(1/alpha)}. Valid at every look together, for independent outcomes. (0, 1) without exposures.
    """
    if exposures == 0:
        return Interval(0.0, 1.0)
    failures = exposures - events
    a, b = prior
    height = float(betaln(a + events, b + failures) - _log_beta(a, b)) + log(alpha)
    rate = events / exposures
    low = 0.0 if events == 0 else _crossing(events, failures, height, 0.0, rate)
    high = 1.0 if failures == 0 else _crossing(events, failures, height, 1.0, rate)
    return Interval(low, high)


def _crossing(events: float, failures: float, height: float, outside: float, inside: float) -> float:
    """Return p between `outside` and `inside` where the log likelihood equals `height`; it rises towards `inside`."""
    # The normal answer on the arcsine scale is near, and the search is Newton's inside a shrinking bracket.
    total = events + failures
    top = (events * log(inside) if events else 0.0) + (failures * log1p(-inside) if failures else 0.0)
    turn = math.copysign(math.sqrt(max(top - height, 0.0) / (2 * total)), outside - inside)
    point = math.sin(min(max(math.asin(math.sqrt(inside)) + turn, 0.0), math.pi / 2)) ** 2
    if not min(outside, inside) < point < max(outside, inside):
        point = (outside + inside) / 2
    for _ in range(_STEPS):
        if not 0.0 < point < 1.0:
            break
        gap = events * log(point) + failures * log1p(-point) - height
        if gap < 0:
            outside = point
        else:
            inside = point
        slope = events / point - failures / (1 - point)
        step = point - gap / slope if slope else math.nan
        following = step if outside <= step <= inside or inside <= step <= outside else (outside + inside) / 2
        if abs(following - point) <= _NEAR * min(point, 1 - point):
            return outside if abs(outside - following) <= _EDGE else following
        point = following
    return outside
