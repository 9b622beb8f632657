"""How many observations a test of one look takes, and how often so many find what there is to find.

For estimates that are as good as normal: some 30 observations in each arm, 10 events and 10 that are none. A test that
is looked at a few times needs `group_sequential.size_factor` times as many; one that may be looked at at any time is
planned by `sequential_plan`.
"""

import math
from typing import Literal, NamedTuple

from scipy.special import ndtr, ndtri

Sides = Literal[1, 2]


class Sizes(NamedTuple):
    """Observations of each arm."""

    control: int
    treatment: int


def size_of_means(
    difference: float,
    deviation: float,
    *,
    treatment_deviation: float | None = None,
    share: float = 0.5,
    alpha: float = 0.05,
    power: float = 0.8,
    sides: Sides = 2,
) -> Sizes:
    """Return how many observations find a `difference` of two means, with chance `power` and at level `alpha`.

    N = (z_alpha + z_power)²·(s0²/(1 - share) + s1²/share)/difference² altogether (Cohen, "Statistical power analysis
    for the behavioral sciences", 1988, chapter 2). Of a non-inferiority test `difference` is the margin less what the
    treatment is worse by, and it has one side.

    Args:
        difference: Distance of the two means; the direction does not matter.
        deviation: Standard deviation of one observation. Of a ratio of sums, the `deviation` of `ratio.ratio_of_sums`.
        treatment_deviation: The treatment's own; None: the same.
        share: Part of the observations that are the treatment's.
        alpha: Chance to find a difference where there is none.
        power: Chance to find this one, in its direction.
        sides: 2 where either direction is a finding.

    Raises:
        ValueError: Something that must be positive is not, or a chance does not lie between 0 and 1.
    """
    _distance(difference)
    spread = _spread(deviation, treatment_deviation, share)
    wanted = _quantile(1 - _level(alpha, sides)) + _quantile(power)
    return _divided(wanted * math.sqrt(spread), difference, share)


def power_of_means(
    difference: float,
    deviation: float,
    sizes: tuple[int, int],
    *,
    treatment_deviation: float | None = None,
    alpha: float = 0.05,
    sides: Sides = 2,
) -> float:
    """Return the chance that so many observations, of control and treatment, find a `difference` of means.

    The inverse of `size_of_means`, of the same normal test.

    Raises:
        ValueError: As there, or an arm is empty.
    """
    total, share = _shared(sizes)
    error = math.sqrt(_spread(deviation, treatment_deviation, share) / total)
    return float(ndtr(abs(difference) / error - _quantile(1 - _level(alpha, sides))))


def size_of_proportions(
    control: float,
    treatment: float,
    *,
    share: float = 0.5,
    alpha: float = 0.05,
    power: float = 0.8,
    sides: Sides = 2,
) -> Sizes:
    """Return how many observations find that two proportions differ, by the score test of `two_proportions`.

    N = ((z_alpha·√V0 + z_power·√V1)/difference)², V0 with the pooled proportion in both arms (Fleiss, Levin and Paik,
    "Statistical methods for rates and proportions", 2003, equation 4.14, without the correction for continuity).
    `share`, `alpha`, `power` and `sides` as in `size_of_means`.

    Raises:
        ValueError: The proportions are equal, or they or a chance do not lie between 0 and 1.
    """
    _distance(treatment - control)
    null, true = _score_spreads(control, treatment, share)
    wanted = _quantile(1 - _level(alpha, sides)) * math.sqrt(null) + _quantile(power) * math.sqrt(true)
    return _divided(wanted, treatment - control, share)


def power_of_proportions(
    control: float, treatment: float, sizes: tuple[int, int], *, alpha: float = 0.05, sides: Sides = 2
) -> float:
    """Return the chance that so many observations, of control and treatment, find that their proportions differ.

    The inverse of `size_of_proportions`.

    Raises:
        ValueError: As there, or an arm is empty.
    """
    total, share = _shared(sizes)
    null, true = _score_spreads(control, treatment, share)
    beyond = abs(treatment - control) * math.sqrt(total) - _quantile(1 - _level(alpha, sides)) * math.sqrt(null)
    return float(ndtr(beyond / math.sqrt(true)))


def size_of_proof(
    size: int, estimate: float, bound: float, margin: float, *, alpha: float, power: float = 0.8
) -> int | None:
    """Return the size with which "worse by less than `margin`" is shown with chance `power`, at level `alpha`.

    Of `size` observations `estimate` is how much worse the treatment was, `bound` the most it may be, one-sided at
    `alpha`: their distance tells the standard error, which shrinks with the root of the size. For normal estimates,
    as any text on non-inferiority has it (Julious, "Sample sizes for clinical trials with normal data", Statistics in
    Medicine 23, 2004, section 6). None where what was seen is no better than the margin, or bounds nothing.
    """
    spread, room = bound - estimate, margin - estimate
    if room <= 0 or not 0 < spread < math.inf:
        return None
    one_sided, wanted = float(ndtri(1 - alpha)), float(ndtri(power))
    found = size * ((one_sided + wanted) / one_sided * spread / room) ** 2
    return math.ceil(found) if math.isfinite(found) else None


def _spread(control: float, treatment: float | None, share: float) -> float:
    """Return the variance of the difference of two means, times the number of all observations."""
    other = control if treatment is None else treatment
    if not (min(control, other) > 0 and max(control, other) < math.inf):
        raise ValueError(f"standard deviations {control:g} and {other:g} must be positive")
    _chance(share)
    return control * control / (1 - share) + other * other / share


def _score_spreads(control: float, treatment: float, share: float) -> tuple[float, float]:
    """Return the variance of the difference of two proportions, times all observations: were they equal, and as is."""
    for each in (control, treatment, share):
        _chance(each)
    pooled = (1 - share) * control + share * treatment
    true = control * (1 - control) / (1 - share) + treatment * (1 - treatment) / share
    return pooled * (1 - pooled) / (share * (1 - share)), true


def _divided(distance: float, difference: float, share: float) -> Sizes:
    """Return the sizes of both arms: together (distance/difference)², and at least one of each."""
    root = max(distance, 0.0) / difference
    total = root * root
    if not math.isfinite(total):
        raise ValueError("the difference is too small for its spread: no number of observations finds it")
    return Sizes(max(math.ceil(total * (1 - share)), 1), max(math.ceil(total * share), 1))


def _shared(sizes: tuple[int, int]) -> tuple[int, float]:
    """Return the number of all observations and the treatment's share of them."""
    control, treatment = sizes
    if min(sizes) < 1:
        raise ValueError(f"sizes {control} and {treatment} must be 1 or more")
    return control + treatment, treatment / (control + treatment)


def _distance(difference: float) -> None:
    if difference == 0 or not math.isfinite(difference):
        raise ValueError(f"a difference of {difference:g} is found by no number of observations")


def _level(alpha: float, sides: Sides) -> float:
    return _chance(alpha) / sides


def _quantile(chance: float) -> float:
    return float(ndtri(_chance(chance)))


def _chance(chance: float) -> float:
    if not 0 < chance < 1:
        raise ValueError(f"{chance:g} must lie between 0 and 1, both excluded")
    return chance
