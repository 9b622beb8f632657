"""Two proportions of one look against a null that says how far apart they are.

For a guess (a1, a0) made before the look, and the pair (p1, p0) of the null that is nearest to it,

    L = (a1/p1)^x1 · ((1-a1)/(1-p1))^f1 · (a0/p0)^x0 · ((1-a0)/(1-p0))^f0

has expectation at most 1 under every pair of a convex null: Turner, Ly and Grünwald, "Generic E-variables for
exact sequential k-sample tests that allow for optional stopping" (JSPI 230, 2024, arXiv 2106.02693), extended to
nulls such as p1 - p0 ≥ margin by Turner and Grünwald, "Exact anytime-valid confidence intervals for contingency
tables and beyond" (2023, arXiv 2203.09785). Nearest is meant in Kullback-Leibler divergence weighted by the
exposures; on the line p1 = p0 + gap it solves one monotone equation (the constrained likelihood equation of
Farrington and Manning, 1990, with guesses in place of observed rates). That it is enough here can be checked in
one line: each factor has mean 1 + (p_i - p_i*)·c_i, log(1 + u) ≤ u, and Σ n_i·(p_i - p_i*)·c_i ≤ 0 is the
condition of optimality. No normal approximation, and no trouble with one event or with none.
"""

import math
from typing import NamedTuple

from firstflight.analysis.rate_ratio import RATIOS

GAINS = (0.0, 0.4)
"""Harms, as shares of the margin, that a candidate to be shown "not worse" is guessed to have."""

_EDGE = 1e-12
_STEPS = 80


class Pair(NamedTuple):
    """Rates of the treatment and of the control."""

    treatment: float
    control: float


def nearest_on_line(
    treatment_rate: float, treatment_exposures: int, control_rate: float, control_exposures: int, gap: float
) -> Pair:
    """Return the pair with treatment = control + `gap` nearest to the given rates.

    Minimises n1·KL(a1‖p0+gap) + n0·KL(a0‖p0) over p0 by Newton's method kept inside a bracket; `gap` may be
    negative. Rates lie strictly between 0 and 1.
    """
    low, high = max(0.0, -gap), min(1.0, 1.0 - gap)
    total = treatment_exposures + control_exposures
    if gap == 0.0:
        pooled = (treatment_exposures * treatment_rate + control_exposures * control_rate) / total
        return Pair(pooled, pooled)
    weight = treatment_exposures / total
    point = min(max(weight * (treatment_rate - gap) + (1 - weight) * control_rate, low + _EDGE), high - _EDGE)
    rest, treatment_others, control_others = 1 - weight, 1 - treatment_rate, 1 - control_rate
    for _ in range(_STEPS):
        raised = point + gap
        beyond_raised, beyond = 1 - raised, 1 - point
        slope = weight * (raised - treatment_rate) / (raised * beyond_raised) + rest * (point - control_rate) / (
            point * beyond
        )
        if slope > 0:
            high = point
        else:
            low = point
        curvature = weight * (treatment_rate / raised**2 + treatment_others / beyond_raised**2) + rest * (
            control_rate / point**2 + control_others / beyond**2
        )
        step = point - slope / curvature
        following = step if low <= step <= high else (low + high) / 2
        if abs(following - point) <= 1e-14 * point:
            break
        point = following
    return Pair(point + gap, point)


def _log_ratio(
    treatment_events: float,
    treatment_exposures: int,
    control_events: float,
    control_exposures: int,
    *,
    guess: Pair,
    null: Pair,
) -> float:
    return (
        treatment_events * math.log(guess.treatment / null.treatment)
        + (treatment_exposures - treatment_events) * math.log((1 - guess.treatment) / (1 - null.treatment))
        + control_events * math.log(guess.control / null.control)
        + (control_exposures - control_events) * math.log((1 - guess.control) / (1 - null.control))
    )


def _against_equal(
    treatment_events: float,
    treatment_exposures: int,
    control_events: float,
    control_exposures: int,
    control_rate: float,
    odds: float,
    dispersion: float,
) -> tuple[float, ...]:
    """Return the log likelihood ratios of `RATIOS` against two equal rates; nearest is what both arms have pooled."""
    log = math.log
    treatment_others, control_others = treatment_exposures - treatment_events, control_exposures - control_events
    weight = treatment_exposures / (treatment_exposures + control_exposures)
    found = []
    for ratio in RATIOS:
        rate = ratio * odds / (1 + ratio * odds)
        pooled = control_rate + weight * (rate - control_rate)
        found.append(
            (
                treatment_events * log(rate / pooled)
                + treatment_others * log((1 - rate) / (1 - pooled))
                + control_events * log(control_rate / pooled)
                + control_others * log((1 - control_rate) / (1 - pooled))
            )
            / dispersion
        )
    return tuple(found)


def worse_log_likelihoods(
    treatment_events: float,
    treatment_exposures: int,
    control_events: float,
    control_exposures: int,
    *,
    control_rate: float,
    tolerance: float = 0.0,
    dispersion: float = 1.0,
) -> tuple[float, ...]:
    """Return the log likelihood ratio of each odds ratio in `RATIOS` against "p1 ≤ p0 + tolerance" for one look.

    The treatment is guessed at `RATIOS` times the odds of what is tolerated. `control_rate`, strictly between 0 and 1,
    is the control's rate as known *before* the look; a bad guess costs power, never validity. A look in which one arm
    served nothing, and a tolerance that nothing exceeds, give 0.
    """
    tolerated = control_rate + tolerance
    if treatment_exposures == 0 or control_exposures == 0 or tolerated >= 1:
        return (0.0,) * len(RATIOS)
    odds = tolerated / (1 - tolerated)
    if tolerance == 0.0:
        arms = (treatment_events, treatment_exposures, control_events, control_exposures)
        return _against_equal(*arms, control_rate, odds, dispersion)
    found = []
    for ratio in RATIOS:
        rate = ratio * odds / (1 + ratio * odds)
        null = nearest_on_line(rate, treatment_exposures, control_rate, control_exposures, tolerance)
        found.append(
            _log_ratio(
                treatment_events,
                treatment_exposures,
                control_events,
                control_exposures,
                guess=Pair(rate, control_rate),
                null=null,
            )
            / dispersion
        )
    return tuple(found)


def not_worse_log_likelihoods(
    treatment_events: float,
    treatment_exposures: int,
    control_events: float,
    control_exposures: int,
    *,
    expected_rate: float,
    margin: float,
    dispersion: float = 1.0,
) -> tuple[float, ...]:
    """Return the log likelihood ratio of each of `GAINS` against "p1 ≥ p0 + margin" for one look.

    Events are harmful ones. `expected_rate`, strictly between 0 and 1, is the rate of both arms as known *before*
    the look. Products over the looks of a stage are e-processes; their mean is the evidence that the candidate is
    not worse by `margin`.
    """
    if treatment_exposures == 0 or control_exposures == 0:
        return (0.0,) * len(GAINS)
    found = []
    for gain in GAINS:
        rate = expected_rate + gain * margin
        if margin >= 1.0 or rate >= 1.0:
            found.append(0.0)
            continue
        guess = Pair(rate, expected_rate)
        null = nearest_on_line(rate, treatment_exposures, expected_rate, control_exposures, margin)
        found.append(
            _log_ratio(treatment_events, treatment_exposures, control_events, control_exposures, guess=guess, null=null)
            / dispersion
        )
    return tuple(found)
