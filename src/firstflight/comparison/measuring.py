"""How two samples become a row of a comparison, and what the row proves."""

import math
from dataclasses import dataclass
from typing import Any

from firstflight.analysis.asymptotic import PAIRED_HORIZON, difference_of_means, mean_interval, mean_of_differences
from firstflight.analysis.effect_size import EffectSize, effect_size
from firstflight.analysis.exceedance import quantile_estimate, quantile_interval
from firstflight.analysis.histogram import quantile_bounds
from firstflight.analysis.lift import Direction, Lift, improvement, paired_improvement
from firstflight.analysis.moments import control_arm, from_counts, treatment_arm, variance
from firstflight.analysis.paired import paired_t
from firstflight.analysis.proportion import Interval, proportion_interval
from firstflight.analysis.rank import mann_whitney_of_histograms
from firstflight.analysis.status import Status
from firstflight.analysis.two_proportions import exact_bounds, two_proportions
from firstflight.analysis.welch import MeanTest, t_test, welch_t
from firstflight.comparison.metric_rows import AlwaysValid, Arm, MetricRow, Proof, Test
from firstflight.domain.plans import ABTestPlan, Guardrail
from firstflight.domain.samples import Counts, Histogram, Moments, NoData, PairedMoments, Sample

FEWEST = 10
"""Values per arm, or paired blocks, below which a mean is reported, not tested: its t-test leans on normal values."""
QUANTILE = 0.95
"""The quantile by which a histogram is reported when its guardrail names none."""
HIGHER_IS_BETTER = frozenset({"accuracy", "profit"})
"""Metrics that are better when higher although no guardrail says so."""


@dataclass(frozen=True)
class Contrast:
    """What is asked: a metric of a plan, and between whom."""

    plan: ABTestPlan
    metric: str
    variant: str
    control: str
    treatment: str

    @property
    def guardrail(self) -> Guardrail | None:
        """The plan's guardrail over the metric, if any."""
        return next((each for each in self.plan.guardrails if each.metric == self.metric), None)

    @property
    def direction(self) -> Direction:
        """Which way is better."""
        if self.guardrail:
            return self.guardrail.direction
        return "higher_is_better" if self.metric in HIGHER_IS_BETTER else "lower_is_better"

    @property
    def quantile(self) -> float:
        """The quantile by which a histogram is reported."""
        return (self.guardrail and self.guardrail.quantile) or QUANTILE

    def row(self, control: Sample, treatment: Sample) -> MetricRow:
        """Return the row of two arms that served different requests."""
        match control, treatment:
            case (NoData(reason=reason), _) | (_, NoData(reason=reason)):
                return self._blank(Status.NO_DATA, reason)
            case Counts(), Counts():
                found = _of_counts(self, control, treatment)
            case Histogram(), Histogram() if control.edges == treatment.edges:
                found = _of_histograms(self, control, treatment)
            case Moments(), Moments():
                found = _of_means(self, control, treatment)
            case _:
                return self._blank(Status.NOT_APPLICABLE, f"{control.kind} and {treatment.kind} cannot be compared")
        return self._filled(found, paired=False)

    def paired_row(self, pairs: PairedMoments) -> MetricRow:
        """Return the row of two arms measured on the same units."""
        return self._filled(_of_pairs(self, pairs), paired=True)

    def _blank(self, status: Status, note: str) -> MetricRow:
        return MetricRow(
            variant=self.variant,
            metric=self.metric,
            direction=self.direction,
            control=Arm(served_name=self.control, variant=self.plan.control),
            treatment=Arm(served_name=self.treatment, variant=self.variant),
            status=status,
            note=note,
            guarded=self.guardrail is not None,
            tolerance=self.guardrail.tolerance if self.guardrail else 0.0,
            limit=self.guardrail.limit if self.guardrail else None,
        )

    def _filled(self, numbers: dict[str, Any], *, paired: bool) -> MetricRow:
        blank = self._blank(Status.OK, "")
        arms = {
            "control": blank.control.model_copy(update=numbers.pop("control")),
            "treatment": blank.treatment.model_copy(update=numbers.pop("treatment")),
        }
        row = blank.model_copy(update={**arms, **numbers, "paired": paired})
        matters = row.improvement is not None and abs(row.improvement) >= 100 * self.plan.practical
        return row.model_copy(update={"practical": matters})


def _of_counts(contrast: Contrast, control: Counts, treatment: Counts) -> dict[str, Any]:
    alpha, guardrail = contrast.plan.alpha, contrast.guardrail
    test = two_proportions(control, treatment, alpha)
    one_sided = two_proportions(control, treatment, 2 * alpha)
    bounds = exact_bounds(treatment, 2 * alpha)
    old, new = (proportion_interval(arm.events, arm.exposures, alpha / 2) for arm in (control, treatment))
    always = Interval(new.low - old.high, new.high - old.low)
    return {
        "unit": "share",
        "control": _arm(control.exposures, control.events / control.exposures if control.exposures else None),
        "treatment": _arm(treatment.exposures, treatment.events / treatment.exposures if treatment.exposures else None),
        "status": test.status,
        "note": "" if test.status is Status.OK else "an arm has no exposures",
        "test": {"score": "two proportions", "exact": "Fisher exact"}[test.method] if test.method else None,
        "difference": test.difference,
        "low": test.low,
        "high": test.high,
        "p_value": test.p_value,
        **_lift(improvement(from_counts(control), from_counts(treatment), alpha, contrast.direction)),
        **_size(effect_size(from_counts(control), from_counts(treatment), alpha)),
        "effect": _sign(contrast.direction, test.difference),
        "always_valid": _ends(always) if test.status is Status.OK else None,
        **_held(guardrail, (one_sided.low, one_sided.high), bounds if treatment.exposures else (None, None)),
    }


def _of_means(contrast: Contrast, control: Moments, treatment: Moments) -> dict[str, Any]:
    alpha, guardrail = contrast.plan.alpha, contrast.guardrail
    fewest = min(control.count, treatment.count)
    test = _enough(welch_t(control, treatment, alpha), fewest)
    one_sided = _enough(welch_t(control, treatment, 2 * alpha), fewest)
    level = _level(treatment, 2 * alpha)
    always = mean_interval(
        difference_of_means(treatment.count, treatment.mean, treatment.m2, control.count, control.mean, control.m2),
        alpha,
    )
    return {
        "unit": "ms" if contrast.metric.startswith("latency") else "",
        "control": _arm(control.count, control.mean if control.count else None),
        "treatment": _arm(treatment.count, treatment.mean if treatment.count else None),
        **_mean_test(test, fewest, "Welch t", "values in an arm"),
        **_lift(improvement(control, treatment, alpha, contrast.direction)),
        **_size(effect_size(control, treatment, alpha)),
        "effect": _sign(contrast.direction, test.difference),
        "always_valid": _ends(always) if test.status is Status.OK else None,
        **_held(guardrail, (one_sided.low, one_sided.high), (level.low, level.high)),
    }


def _of_pairs(contrast: Contrast, pairs: PairedMoments) -> dict[str, Any]:
    alpha, guardrail = contrast.plan.alpha, contrast.guardrail
    control, treatment = control_arm(pairs), treatment_arm(pairs)
    test, one_sided = (_enough(paired_t(pairs, level), pairs.count) for level in (alpha, 2 * alpha))
    level = _level(treatment, 2 * alpha)
    size = effect_size(control, treatment, alpha)
    always = mean_interval(
        mean_of_differences(
            pairs.count, pairs.treatment_mean, pairs.control_mean, pairs.treatment_m2, pairs.control_m2, pairs.cross
        ),
        alpha,
        PAIRED_HORIZON,
    )
    return {
        "unit": "share" if contrast.metric == "accuracy" else "",
        "control": _arm(control.count, control.mean if control.count else None),
        "treatment": _arm(treatment.count, treatment.mean if treatment.count else None),
        **_mean_test(test, pairs.count, "paired t", "paired blocks"),
        **_lift(paired_improvement(pairs, alpha, contrast.direction)),
        "cohens_d": size.d,
        "hedges_g": size.g,
        "effect": _sign(contrast.direction, test.difference),
        "always_valid": _ends(always) if test.status is Status.OK else None,
        **_held(guardrail, (one_sided.low, one_sided.high), (level.low, level.high)),
    }


def _of_histograms(contrast: Contrast, control: Histogram, treatment: Histogram) -> dict[str, Any]:
    """Return the numbers of a quantile; each arm's bounds at half of alpha bound their difference at alpha."""
    alpha, guardrail, quantile = contrast.plan.alpha, contrast.guardrail, contrast.quantile
    test = mann_whitney_of_histograms(control, treatment)
    edges = control.edges
    old, new = (quantile_estimate(edges, arm.counts, quantile) for arm in (control, treatment))
    old_ends, new_ends = (quantile_bounds(arm, quantile, alpha / 2) for arm in (control, treatment))
    old_side, new_side = (quantile_bounds(arm, quantile, alpha) for arm in (control, treatment))
    level = quantile_bounds(treatment, quantile, 2 * alpha)
    slow, fast = (quantile_interval(edges, arm.counts, quantile, alpha / 2) for arm in (treatment, control))
    low, high = _less(new_ends.low, old_ends.high), _less(new_ends.high, old_ends.low)
    return {
        "unit": "ms",
        "quantile": quantile,
        "control": _arm(sum(control.counts), old),
        "treatment": _arm(sum(treatment.counts), new),
        "status": test.status,
        "note": {Status.NO_DATA: "an arm has no requests", Status.ZERO_VARIANCE: "every value is in one bucket"}.get(
            test.status, ""
        ),
        "test": "Mann-Whitney" if test.status is Status.OK else None,
        "difference": _less(new, old),
        "low": low,
        "high": high,
        "p_value": test.p_value,
        "superiority": test.superiority,
        **_quantile_lift(contrast.direction, (old, old_ends.low, old_ends.high), (new, new_ends.low, new_ends.high)),
        "effect": _agreed(contrast.direction, test.superiority, _less(new, old)),
        "always_valid": _ends(Interval(slow.low - fast.high, slow.high - fast.low)),
        **_held(
            guardrail,
            (_less(new_side.low, old_side.high), _less(new_side.high, old_side.low)),
            # what lies in a bucket is strictly above its lower edge
            (None if level.low is None else math.nextafter(level.low, math.inf), level.high),
        ),
    }


def _arm(n: int, estimate: float | None) -> dict[str, Any]:
    return {"n": n, "estimate": estimate}


def _mean_test(test: MeanTest, count: int, name: Test, what: str) -> dict[str, Any]:
    notes = {
        Status.NO_DATA: f"no {what}",
        Status.INSUFFICIENT_DATA: f"{count} {what}, at least {FEWEST} are needed for a test",
        Status.ZERO_VARIANCE: f"all {count} {what} agree, so the error of the difference is unknown",
        Status.NOT_FINITE: "a number is too large",
    }
    return {
        "status": test.status,
        "note": notes.get(test.status, ""),
        "test": name if test.status is Status.OK else None,
        "difference": test.difference,
        "low": test.low,
        "high": test.high,
        "p_value": test.p_value,
    }


def _enough(test: MeanTest, count: int) -> MeanTest:
    if test.status is Status.OK and count < FEWEST:
        return MeanTest(Status.INSUFFICIENT_DATA, test.difference)
    return test


def _level(moments: Moments, alpha: float) -> MeanTest:
    """Return the arm's own mean with its interval."""
    spread = variance(moments)
    known = spread is not None and moments.count >= FEWEST
    return t_test(moments.mean, spread / moments.count if spread and known else None, moments.count - 1.0, alpha)


def _held(
    guardrail: Guardrail | None,
    difference: tuple[float | None, float | None],
    level: tuple[float | None, float | None],
) -> dict[str, Any]:
    """Return what the one-sided bounds of the difference and of the variant's own level say to the guardrail.

    Promotion's contrast: not worse than the control by the margin; without a margin, within the limit. Rollback's:
    beyond the limit for certain.
    """
    if guardrail is None:
        return {}
    lower = guardrail.direction == "lower_is_better"
    found: dict[str, Any] = {}
    if guardrail.limit is not None:
        best, worst = level if lower else (level[1], level[0])
        beyond = best is not None and (best > guardrail.limit if lower else best < guardrail.limit)
        within = worst is not None and (worst <= guardrail.limit if lower else worst >= guardrail.limit)
        found["beyond_limit"] = beyond
        found["proof"] = Proof(of="limit", held_to=guardrail.limit, bound=worst, shown=within)
    if guardrail.margin is not None:
        harm = difference[1] if lower else _negative(difference[0])
        shown = harm is not None and harm < guardrail.margin
        found["proof"] = Proof(of="margin", held_to=guardrail.margin, bound=harm, shown=shown)
    return found


def _lift(lift: Lift) -> dict[str, Any]:
    return {
        "improvement": lift.percent,
        "improvement_low": lift.low,
        "improvement_high": lift.high,
        "improvement_status": lift.status,
    }


def _quantile_lift(
    direction: Direction,
    control: tuple[float | None, float | None, float | None],
    treatment: tuple[float | None, float | None, float | None],
) -> dict[str, Any]:
    """Return the improvement of a quantile in percent, its interval from the bounds of either arm."""
    percent = _change(treatment[0], control[0])
    low, high = _change(treatment[1], control[2]), _change(treatment[2], control[1])
    if direction == "lower_is_better":
        percent, low, high = _negative(percent), _negative(high), _negative(low)
    status = Status.OK if percent is not None else Status.NOT_APPLICABLE
    return _lift(Lift(status, percent, low, high))


def _change(new: float | None, old: float | None) -> float | None:
    return 100 * (new / old - 1) if new is not None and old is not None and old > 0 else None


def _size(size: EffectSize) -> dict[str, Any]:
    return {"cohens_d": size.d, "hedges_g": size.g, "hedges_g_low": size.low, "hedges_g_high": size.high}


def _sign(direction: Direction, difference: float | None) -> str:
    if not difference:
        return "undecided"
    return "better" if (difference > 0) == (direction == "higher_is_better") else "worse"


def _agreed(direction: Direction, superiority: float | None, difference: float | None) -> str:
    """Return the effect on a quantile, undecided where the whole distribution moved the other way."""
    tested = _sign(direction, None if superiority is None else superiority - 0.5)
    return tested if tested == _sign(direction, difference) else "undecided"


def _ends(interval: Interval) -> AlwaysValid:
    low, high = (end if math.isfinite(end) else None for end in interval)
    return AlwaysValid(low=low, high=high)


def _less(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first - second


def _negative(value: float | None) -> float | None:
    return None if value is None else -value
