"""Counts, means and spreads that can be added up: all a mean needs to be known by.

Numbers are kept as a count, a mean and the sum of squared deviations from it (Welford, "Note on a method for
calculating corrected sums of squares and products", Technometrics 4, 1962), because a sum of squares loses the
spread of large values: of 1e9 observations with mean 1e6 and standard deviation 1 it keeps nothing.
"""

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction

from firstflight.domain.samples import Counts, Moments, NoData, PairedMoments

_ROUNDING = 8 * 2.0**-52
_TOO_LARGE = NoData(reason="the values are too large for their spread to be a number")


def from_values(values: Iterable[float]) -> Moments | NoData:
    """Return the moments of raw values; NoData when one of them is infinite or not a number."""
    kept = [float(value) for value in values]
    if reason := _not_finite(kept):
        return reason
    try:
        mean, m2 = _mean_and_spread(kept, kept)
    except OverflowError:
        return _TOO_LARGE
    return Moments(count=len(kept), mean=mean, m2=m2) if math.isfinite(m2) else _TOO_LARGE


def pairs_from_values(control: Sequence[float], treatment: Sequence[float]) -> PairedMoments | NoData:
    """Return the joint moments of two arms measured on the same units, in the same order.

    NoData when a value is infinite or not a number.

    Raises:
        ValueError: The arms differ in length.
    """
    if len(control) != len(treatment):
        raise ValueError(f"{len(control)} control values for {len(treatment)} treatment values, must be as many")
    old, new = [float(value) for value in control], [float(value) for value in treatment]
    if reason := _not_finite([*old, *new]):
        return reason
    try:
        control_mean, control_m2 = _mean_and_spread(old, old)
        treatment_mean, treatment_m2 = _mean_and_spread(new, new)
        _, cross = _mean_and_spread(old, new)
    except OverflowError:
        return _TOO_LARGE
    if not math.isfinite(control_m2 + treatment_m2):
        return _TOO_LARGE
    return PairedMoments(
        count=len(old),
        control_mean=control_mean,
        treatment_mean=treatment_mean,
        control_m2=control_m2,
        treatment_m2=treatment_m2,
        cross=cross,
    )


def from_sums(count: int, total: float, total_squares: float, shift: float = 0.0) -> Moments | NoData:
    """Return the moments of `count` values known by Σ(x - shift) and Σ(x - shift)².

    The arithmetic here is exact; what the caller's sums have rounded away is lost, so keep them about a `shift`
    near the mean when that is large beside the spread. NoData when a sum is not finite.
    """
    if reason := _not_finite((total, total_squares, shift)):
        return reason
    if count == 0:
        return Moments(count=0)
    exact = Fraction(total)
    spread = Fraction(total_squares) - exact * exact / count
    return Moments(count=count, mean=float(exact / count + Fraction(shift)), m2=float(max(spread, Fraction(0))))


def pairs_from_sums(
    count: int, totals: tuple[float, float], squares: tuple[float, float], products: float
) -> PairedMoments | NoData:
    """Return the joint moments of `count` units known by (Σc, Σt), (Σc², Σt²) and Σct.

    Sums about a shift give the right spreads and means about that shift. NoData when a sum is not finite.
    """
    if reason := _not_finite((*totals, *squares, products)):
        return reason
    if count == 0:
        return PairedMoments(count=0)
    control, treatment = (Fraction(total) for total in totals)
    return PairedMoments(
        count=count,
        control_mean=float(control / count),
        treatment_mean=float(treatment / count),
        control_m2=float(max(Fraction(squares[0]) - control * control / count, Fraction(0))),
        treatment_m2=float(max(Fraction(squares[1]) - treatment * treatment / count, Fraction(0))),
        cross=float(Fraction(products) - control * treatment / count),
    )


def from_counts(counts: Counts) -> Moments:
    """Return the moments of the zeros and ones behind `counts`: mean p, Σ(x - p)² = n·p·(1 - p)."""
    if counts.exposures == 0:
        return Moments(count=0)
    rate = counts.events / counts.exposures
    return Moments(count=counts.exposures, mean=rate, m2=counts.events * (1 - rate))


def merge(first: Moments, second: Moments) -> Moments:
    """Return the moments of both sets of values together.

    m2 = m2_a + m2_b + δ²·n_a·n_b/n (Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for
    computing sample variances", 1979, eq. 2.1).
    """
    if first.count == 0 or second.count == 0:
        return first if second.count == 0 else second
    count = first.count + second.count
    gap = second.mean - first.mean
    return Moments(
        count=count,
        mean=_merged_mean(first.count, first.mean, second.count, second.mean),
        m2=first.m2 + second.m2 + gap * gap * (first.count * second.count / count),
    )


def merge_pairs(first: PairedMoments, second: PairedMoments) -> PairedMoments:
    """Return the joint moments of both sets of units together (as `merge`; the cross-product in the same way)."""
    if first.count == 0 or second.count == 0:
        return first if second.count == 0 else second
    count = first.count + second.count
    weight = first.count * second.count / count
    control_gap = second.control_mean - first.control_mean
    treatment_gap = second.treatment_mean - first.treatment_mean
    return PairedMoments(
        count=count,
        control_mean=_merged_mean(first.count, first.control_mean, second.count, second.control_mean),
        treatment_mean=_merged_mean(first.count, first.treatment_mean, second.count, second.treatment_mean),
        control_m2=first.control_m2 + second.control_m2 + control_gap * control_gap * weight,
        treatment_m2=first.treatment_m2 + second.treatment_m2 + treatment_gap * treatment_gap * weight,
        cross=first.cross + second.cross + control_gap * treatment_gap * weight,
    )


def merge_counts(first: Counts, second: Counts) -> Counts:
    """Return the events among the exposures of both."""
    return Counts(exposures=first.exposures + second.exposures, events=first.events + second.events)


def control_arm(pairs: PairedMoments) -> Moments:
    """Return the control's own moments."""
    return Moments(count=pairs.count, mean=pairs.control_mean, m2=pairs.control_m2)


def treatment_arm(pairs: PairedMoments) -> Moments:
    """Return the treatment's own moments."""
    return Moments(count=pairs.count, mean=pairs.treatment_mean, m2=pairs.treatment_m2)


def differences(pairs: PairedMoments) -> Moments:
    """Return the moments of treatment - control per unit; a spread within rounding is none."""
    both = pairs.treatment_m2 + pairs.control_m2
    spread = both - 2 * pairs.cross
    return Moments(
        count=pairs.count,
        mean=pairs.treatment_mean - pairs.control_mean,
        m2=spread if spread > _ROUNDING * both else 0.0,
    )


def variance(moments: Moments) -> float | None:
    """Return the unbiased variance Σ(x - mean)²/(n - 1); None of fewer than two values.

    It is 0 when the spread is no larger than what rounding makes of equal values.
    """
    if moments.count < 2:  # noqa: PLR2004 - one observation has no variance
        return None
    found = moments.m2 / (moments.count - 1)
    return found if math.sqrt(found) > _ROUNDING * abs(moments.mean) else 0.0


def increase(previous: float, current: float) -> float:
    """Return by how much a counter rose between two readings; one that fell was reset and began again at 0."""
    return current - previous if current >= previous else current


def _merged_mean(first_count: int, first: float, second_count: int, second: float) -> float:
    """Return the mean of both, reckoned from the larger set so that little is lost however long the sum."""
    if first_count < second_count:
        return _merged_mean(second_count, second, first_count, first)
    return first + (second - first) * (second_count / (first_count + second_count))


def _mean_and_spread(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Return the mean of `first` and Σ(first - its mean)·(second - its mean)."""
    if not first:
        return 0.0, 0.0
    mean = math.fsum(first) / len(first)
    other = math.fsum(second) / len(second)
    return mean, math.fsum((a - mean) * (b - other) for a, b in zip(first, second, strict=True))


def _not_finite(values: Sequence[float]) -> NoData | None:
    wrong = sum(not math.isfinite(value) for value in values)
    return NoData(reason=f"{wrong} of {len(values)} values are not finite") if wrong else None
