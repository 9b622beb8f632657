"""Whether events come at a higher rate in one arm than in the other, whatever the traffic and the time of day.

Given the x = x1 + x0 events of one look, those of the treatment are Binomial(x, q) with
q = n1·θ / (n1·θ + n0), where θ is the ratio of the rates (Przyborowski and Wilenski, "Homogeneity of results
in testing samples from Poisson series", Biometrika 31, 1940). What moves both arms, or moves traffic between
them from look to look, cancels. Lindon and Malek, "Anytime-valid inference for multinomial count data"
(NeurIPS 2022, arXiv 2011.03567), build the sequential test of a fixed share on the same condition.
"""

import functools
import math

RATIOS = (1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0)
"""Ratios of rates that are bet on."""

RATIO_WEIGHTS = (0.04, 0.08, 0.18, 0.12, 0.10, 0.12, 0.12, 0.14, 0.06, 0.04)
"""Shares of the wealth on each of `RATIOS`: most where a fault costs much or takes long to see."""

OUTCOME_WEIGHTS = (0.03, 0.25, 0.52, 0.18, 0.012, 0.004, 0.001, 0.001, 0.001, 0.001)
"""The same for wrong answers among outcomes: a half more takes long to see, and clusters pass for a large ratio."""

TAIL_WEIGHTS = (0.02, 0.03, 0.05, 0.15, 0.20, 0.40, 0.12, 0.01, 0.01, 0.01)
"""The same for values beyond a quantile: five times as many as it allows is what a model that is too slow has."""


@functools.lru_cache(maxsize=16)  # the guardrails of one look mostly share their exposures
def _of_each(share: float, null_ratio: float) -> tuple[tuple[float, float], ...]:
    """Return, per ratio, what an event of the treatment adds and what every event takes; nothing within the null."""
    log_null, log_null_total = math.log(null_ratio), math.log1p(share * null_ratio)
    return tuple(
        (0.0, 0.0) if ratio <= null_ratio else (math.log(ratio) - log_null, math.log1p(share * ratio) - log_null_total)
        for ratio in RATIOS
    )


def rate_ratio_log_likelihoods(
    treatment_events: float,
    treatment_exposures: int,
    control_events: float,
    control_exposures: int,
    *,
    null_ratio: float = 1.0,
    dispersion: float = 1.0,
) -> tuple[float, ...]:
    """Return the log likelihood ratio of each of `RATIOS` against `null_ratio` for one look.

    L = (q/q0)^x1 · ((1-q)/(1-q0))^x0. Its expectation is at most 1 for every true ratio up to `null_ratio`, the
    likelihood ratio being monotone. With `null_ratio` 1 this also holds for events that are not rare: given x, the
    treatment's events are then hypergeometric, and a convex function of them has no larger a mean than under the
    binomial (Hoeffding, "Probability inequalities for sums of bounded random variables", JASA 58, 1963, theorem 4).
    Every ratio is raised to 1/`dispersion`. Ratios within the null, and a look in which one arm served nothing,
    give 0. Exposures and events are increments of this look.
    """
    if treatment_exposures == 0 or control_exposures == 0:
        return (0.0,) * len(RATIOS)
    events = treatment_events + control_events
    each = _of_each(treatment_exposures / control_exposures, null_ratio)
    return tuple([(treatment_events * gain - events * cost) / dispersion for gain, cost in each])


@functools.lru_cache(maxsize=64)
def _beyond(share: float) -> tuple[tuple[float, float], ...]:
    """Return, per alternative, what one event and one non-event add."""
    rates = [min(ratio * share, (1 + share) / 2) for ratio in RATIOS]
    return tuple((math.log(rate / share), math.log((1 - rate) / (1 - share))) for rate in rates)


def beyond_share_log_likelihoods(
    events: float, exposures: int, share: float, *, dispersion: float = 1.0
) -> tuple[float, ...]:
    """Return the log likelihood ratio of `share` times each of `RATIOS` against "the rate is at most `share`".

    For one look, as in `absolute_limit`, with as many alternatives as above: the smaller of both likelihood ratios is
    an e-value for "no more frequent than in the control, or at most `share`".
    """
    none = exposures - events
    return tuple([(events * one + none * other) / dispersion for one, other in _beyond(share)])
