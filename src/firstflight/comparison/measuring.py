"""How two samples become a row of a comparison, and what the row proves."""

import math
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from firstflight.analysis.exceedance import quantile_estimate
from firstflight.analysis.histogram import quantile_bounds
from firstflight.analysis.lift import Direction, Lift, improvement, paired_improvement
from firstflight.analysis.moments import control_arm, from_counts, treatment_arm, variance
from firstflight.analysis.paired import paired_t
from firstflight.analysis.power import size_of_proof
from firstflight.analysis.rank import mann_whitney_of_histograms
from firstflight.analysis.status import Status
from firstflight.analysis.two_proportions import exact_bounds, two_proportions
from firstflight.analysis.welch import MeanTest, t_test, welch_t
from firstflight.comparison.metric_rows import Arm, Effect, MetricRow, Proof, Test
from firstflight.domain.metrics import Metric
from firstflight.domain.plans import ABTestPlan, Guardrail
from firstflight.domain.samples import Counts, Histogram, Moments, NoData, PairedMoments, Sample

FEWEST = 10
"""Values per arm, or paired blocks, below which a mean is reported, not tested: its t-test leans on normal values."""
QUANTILE = 0.95
"""The quantile by which a histogram is reported when its guardrail names none."""


class Ends(NamedTuple):
    """An interval; an end is None where it is not bounded."""

    low: float | None = None
    high: float | None = None


OPEN, NO_LIFT = Ends(), Lift(Status.NO_DATA)


@dataclass(frozen=True)
class Found:
    """What two samples show of a metric, in its own unit: the test, both arms, the difference treatment - control.

    `ends` are those of the difference at confidence 1 - alpha; `one_sided` and `level` (the treatment's own) bound it
    from either side at alpha each.
    """

    status: Status
    counts: tuple[int, int]
    estimates: tuple[float | None, float | None]
    unit: Literal["share", "ms", ""] = ""
    note: str = ""
    test: Test | None = None
    difference: float | None = None
    ends: Ends = OPEN
    p_value: float | None = None
    lift: Lift = NO_LIFT
    effect: Effect = "undecided"
    one_sided: Ends = OPEN
    level: Ends = OPEN


@dataclass(frozen=True)
class Contrast:
    """What is asked: a metric of a plan, and between whom; `metrics` are those that the plan's workload knows."""

    plan: ABTestPlan
    metric: str
    variant: str
    control: str
    treatment: str
    metrics: tuple[Metric, ...] = ()

    @property
    def guardrail(self) -> Guardrail | None:
        """The plan's guardrail over the metric, if any."""
        return next((each for each in self.plan.guardrails if each.metric == self.metric), None)

    @property
    def direction(self) -> Direction:
        """Which way is better."""
        if self.guardrail:
            return self.guardrail.direction
        return self._about.direction if self._about else "lower_is_better"

    @property
    def is_share(self) -> bool:
        """Whether each unit is an event or none."""
        if self.guardrail:
            return self.guardrail.is_share
        return self._about is not None and self._about.kind == "share"

    @property
    def _about(self) -> Metric | None:
        return next((each for each in self.metrics if each.name == self.metric), None)

    @property
    def quantile(self) -> float:
        """The quantile by which a histogram is reported."""
        return (self.guardrail and self.guardrail.quantile) or QUANTILE

    def row(self, control: Sample, treatment: Sample) -> MetricRow:
        """Return the row of two arms that served different requests."""
        match control, treatment:
            case (NoData(reason=reason), _) | (_, NoData(reason=reason)):
                return self._filled(_unknown(Status.NO_DATA, reason))
            case Counts(), Counts():
                return self._filled(_of_counts(self, control, treatment))
            case Histogram(), Histogram() if control.edges == treatment.edges:
                return self._filled(_of_histograms(self, control, treatment), quantile=self.quantile)
            case Moments() | Counts(), Moments() | Counts():  # of blocks; an arm met one unit of each
                old, new = (from_counts(each) if isinstance(each, Counts) else each for each in (control, treatment))
                return self._filled(_of_means(self, old, new))
        return self._filled(_unknown(Status.NOT_APPLICABLE, f"{control.kind} and {treatment.kind} cannot be compared"))

    def paired_row(self, pairs: PairedMoments) -> MetricRow:
        """Return the row of two arms measured on the same units."""
        return self._filled(_of_pairs(self, pairs), paired=True)

    def _filled(self, found: Found, *, paired: bool = False, quantile: float | None = None) -> MetricRow:
        guardrail, lift = self.guardrail, found.lift
        old, new = found.estimates
        return MetricRow(
            variant=self.variant,
            metric=self.metric,
            unit=found.unit,
            direction=self.direction,
            paired=paired,
            quantile=quantile,
            control=Arm(served_name=self.control, variant=self.plan.control, n=found.counts[0], estimate=old),
            treatment=Arm(served_name=self.treatment, variant=self.variant, n=found.counts[1], estimate=new),
            status=found.status,
            note=found.note,
            test=found.test,
            difference=found.difference,
            low=found.ends.low,
            high=found.ends.high,
            improvement=lift.percent,
            improvement_low=lift.low,
            improvement_high=lift.high,
            p_value=found.p_value,
            practical=lift.percent is not None and abs(lift.percent) >= 100 * self.plan.practical,
            effect=found.effect,
            guarded=guardrail is not None,
            tolerance=guardrail.tolerated(old) if guardrail else 0.0,
            limit=guardrail.limit if guardrail else None,
            beyond_limit=guardrail is not None and _is_beyond(guardrail, found.level),
            proof=_proof(guardrail, found, self.plan.alpha) if guardrail else None,
        )


def _unknown(status: Status, note: str) -> Found:
    return Found(status, (0, 0), (None, None), note=note)


def _of_counts(contrast: Contrast, control: Counts, treatment: Counts) -> Found:
    alpha = contrast.plan.alpha
    test, one_sided = (two_proportions(control, treatment, level) for level in (alpha, 2 * alpha))
    return Found(
        test.status,
        (control.exposures, treatment.exposures),
        (_rate(control), _rate(treatment)),
        unit="share",
        note="" if test.status is Status.OK else "an arm has no exposures",
        test={"score": "two proportions", "exact": "Fisher exact"}[test.method] if test.method else None,  # type: ignore[arg-type] # mypy widens the literals
        difference=test.difference,
        ends=Ends(test.low, test.high),
        p_value=test.p_value,
        lift=improvement(from_counts(control), from_counts(treatment), alpha, contrast.direction),
        effect=_sign(contrast.direction, test.difference),
        one_sided=Ends(one_sided.low, one_sided.high),
        level=Ends(*exact_bounds(treatment, 2 * alpha)) if treatment.exposures else OPEN,
    )


def _of_means(contrast: Contrast, control: Moments, treatment: Moments) -> Found:
    alpha, fewest = contrast.plan.alpha, min(control.count, treatment.count)
    test, one_sided = (_enough(welch_t(control, treatment, level), fewest) for level in (alpha, 2 * alpha))
    found = _of_mean_test(contrast, test, "Welch t", one_sided, control, treatment)
    return replace(
        found,
        unit="ms" if contrast.metric.startswith("latency") else found.unit,
        note=_mean_note(test, fewest, "values in an arm"),
        lift=improvement(control, treatment, alpha, contrast.direction),
    )


def _of_pairs(contrast: Contrast, pairs: PairedMoments) -> Found:
    alpha = contrast.plan.alpha
    test, one_sided = (_enough(paired_t(pairs, level), pairs.count) for level in (alpha, 2 * alpha))
    return replace(
        _of_mean_test(contrast, test, "paired t", one_sided, control_arm(pairs), treatment_arm(pairs)),
        note=_mean_note(test, pairs.count, "paired blocks"),
        lift=paired_improvement(pairs, alpha, contrast.direction),
    )


def _of_mean_test(
    contrast: Contrast, test: MeanTest, name: Test, one_sided: MeanTest, control: Moments, treatment: Moments
) -> Found:
    level = _level(treatment, 2 * contrast.plan.alpha)
    return Found(
        test.status,
        (control.count, treatment.count),
        (control.mean if control.count else None, treatment.mean if treatment.count else None),
        unit="share" if contrast.is_share else "",
        test=name if test.status is Status.OK else None,
        difference=test.difference,
        ends=Ends(test.low, test.high),
        p_value=test.p_value,
        effect=_sign(contrast.direction, test.difference),
        one_sided=Ends(one_sided.low, one_sided.high),
        level=Ends(level.low, level.high),
    )


def _of_histograms(contrast: Contrast, control: Histogram, treatment: Histogram) -> Found:
    """Return what a quantile shows; each arm's bounds at half of alpha bound their difference at alpha."""
    alpha, quantile = contrast.plan.alpha, contrast.quantile
    test = mann_whitney_of_histograms(control, treatment)
    old, new = (quantile_estimate(control.edges, arm.counts, quantile) for arm in (control, treatment))
    old_ends, new_ends = (quantile_bounds(arm, quantile, alpha / 2) for arm in (control, treatment))
    old_side, new_side = (quantile_bounds(arm, quantile, alpha) for arm in (control, treatment))
    level = quantile_bounds(treatment, quantile, 2 * alpha)
    return Found(
        test.status,
        (sum(control.counts), sum(treatment.counts)),
        (old, new),
        unit="ms",
        note={Status.NO_DATA: "an arm has no requests", Status.ZERO_VARIANCE: "every value is in one bucket"}.get(
            test.status, ""
        ),
        test="Mann-Whitney" if test.status is Status.OK else None,
        difference=_less(new, old),
        ends=Ends(_less(new_ends.low, old_ends.high), _less(new_ends.high, old_ends.low)),
        p_value=test.p_value,
        lift=_quantile_lift(contrast.direction, (old, old_ends.low, old_ends.high), (new, new_ends.low, new_ends.high)),
        effect=_agreed(contrast.direction, test.superiority, _less(new, old)),
        one_sided=Ends(_less(new_side.low, old_side.high), _less(new_side.high, old_side.low)),
        # what lies in a bucket is strictly above its lower edge
        level=Ends(None if level.low is None else math.nextafter(level.low, math.inf), level.high),
    )


def _rate(counts: Counts) -> float | None:
    return counts.events / counts.exposures if counts.exposures else None


def _mean_note(test: MeanTest, count: int, what: str) -> str:
    notes = {
        Status.NO_DATA: f"no {what}",
        Status.INSUFFICIENT_DATA: f"{count} {what}, at least {FEWEST} are needed for a test",
        Status.ZERO_VARIANCE: f"all {count} {what} agree, so the error of the difference is unknown",
        Status.NOT_FINITE: "a number is too large",
    }
    return notes.get(test.status, "")


def _enough(test: MeanTest, count: int) -> MeanTest:
    if test.status is Status.OK and count < FEWEST:
        return MeanTest(Status.INSUFFICIENT_DATA, test.difference)
    return test


def _level(moments: Moments, alpha: float) -> MeanTest:
    """Return the arm's own mean with its interval."""
    spread = variance(moments)
    known = spread is not None and moments.count >= FEWEST
    return t_test(moments.mean, spread / moments.count if spread and known else None, moments.count - 1.0, alpha)


def _is_beyond(guardrail: Guardrail, level: Ends) -> bool:
    """Whether the whole interval of the variant's own level lies beyond the limit."""
    best = level.low if guardrail.direction == "lower_is_better" else level.high
    if guardrail.limit is None or best is None:
        return False
    return best > guardrail.limit if guardrail.direction == "lower_is_better" else best < guardrail.limit


def _proof(guardrail: Guardrail, found: Found, alpha: float) -> Proof | None:
    """Return what the one-sided bounds of the difference, or of the variant's own level, show of what was asked."""
    asked, lower = guardrail.to_prove(control=True), guardrail.direction == "lower_is_better"
    if asked is None or found.status is Status.NO_DATA:
        return None
    needed = None
    if asked.of == "margin":
        worst = found.one_sided.high if lower else _negative(found.one_sided.low)
        shown = worst is not None and worst < asked.held_to
        worse = found.difference if lower else _negative(found.difference)
        if worst is not None and worse is not None and not shown:
            needed = size_of_proof(found.counts[1], worse, worst, asked.held_to, alpha=alpha)
    else:
        worst = found.level.high if lower else found.level.low
        shown = worst is not None and (worst <= asked.held_to if lower else worst >= asked.held_to)
    return Proof(of=asked.of, held_to=asked.held_to, bound=worst, shown=shown, needed=needed)


def _quantile_lift(
    direction: Direction,
    control: tuple[float | None, float | None, float | None],
    treatment: tuple[float | None, float | None, float | None],
) -> Lift:
    """Return the improvement of a quantile in percent, its interval from the bounds of either arm."""
    percent = _change(treatment[0], control[0])
    low, high = _change(treatment[1], control[2]), _change(treatment[2], control[1])
    if direction == "lower_is_better":
        percent, low, high = _negative(percent), _negative(high), _negative(low)
    return Lift(Status.OK if percent is not None else Status.NOT_APPLICABLE, percent, low, high)


def _change(new: float | None, old: float | None) -> float | None:
    return 100 * (new / old - 1) if new is not None and old is not None and old > 0 else None


def _sign(direction: Direction, difference: float | None) -> Effect:
    if not difference:
        return "undecided"
    return "better" if (difference > 0) == (direction == "higher_is_better") else "worse"


def _agreed(direction: Direction, superiority: float | None, difference: float | None) -> Effect:
    """Return the effect on a quantile, undecided where the whole distribution moved the other way."""
    tested = _sign(direction, None if superiority is None else superiority - 0.5)
    return tested if tested == _sign(direction, difference) else "undecided"


def _less(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first - second


def _negative(value: float | None) -> float | None:
    return None if value is None else -value
