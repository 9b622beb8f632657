"""What an A/B test of planned length concludes: every metric of every variant, and what to do."""

from collections.abc import Mapping, Sequence

from firstflight.analysis.goodness_of_fit import sample_ratio
from firstflight.analysis.multiplicity import holm
from firstflight.analysis.status import Status
from firstflight.comparison.measuring import Contrast
from firstflight.comparison.metric_rows import Arm, MetricRow, Proof
from firstflight.comparison.recommendation import Recommendation, SampleRatioCheck, recommend
from firstflight.domain.metrics import Metric
from firstflight.domain.plans import ABTestPlan
from firstflight.domain.samples import NoData, PairedMoments, Sample
from firstflight.domain.values import Value

__all__ = ["Arm", "Comparison", "MetricRow", "Proof", "Recommendation", "SampleRatioCheck", "choose", "compare"]

RATIO_ALPHA = 0.001
"""Level of the sample-ratio check, as usual in the field: a mismatch voids everything, so it must not be chance."""

Samples = Mapping[str, Mapping[str, Sample]]


class Comparison(Value):
    """The whole of what was found; `rows` are ordered by variant, then metric."""

    control: str
    alpha: float
    practical: float
    planned_requests: int
    assigned_requests: int
    rows: tuple[MetricRow, ...]
    sample_ratio: SampleRatioCheck
    recommendations: tuple[Recommendation, ...]

    @property
    def headline(self) -> str:
        """The conclusion in one sentence."""
        if winner := choose(self):
            return f"adopt {winner} instead of {self.control}"
        if any(each.verdict == "inconclusive" for each in self.recommendations):
            return f"inconclusive: keep {self.control}"
        return f"keep {self.control}: no variant is worth adopting"

    @property
    def summary(self) -> str:
        """The conclusion with the first reason of each variant."""
        why = (f"{each.variant}: {each.verdict}, {each.reasons[0]}" for each in self.recommendations)
        return "; ".join((f"the A/B test says {self.headline}", *why))


def compare(
    plan: ABTestPlan,
    *,
    samples: Samples,
    paired: Samples,
    assignments: Mapping[str, int],
    control: str,
    weights: Mapping[str, int],
    variants: Mapping[str, str],
    metrics: tuple[Metric, ...] = (),
    units: Mapping[str, int] | None = None,
    shadows: Mapping[str, str] | None = None,
    costs: Mapping[str, float] | None = None,
) -> Comparison:
    """Return what the whole test shows.

    Args:
        plan: What was asked.
        samples: Served name → metric → sample over the whole test.
        paired: Served name, of an arm or of the shadow → metric → PairedMoments against the control.
        assignments: Served name → requests routed to it over the whole test.
        control: Served name of the arm the others are compared with.
        weights: Served name → planned share of the traffic, the control's included.
        variants: Served name → variant, of every arm but the control.
        metrics: Those that the plan's workload tells of an outcome; without them, higher is better where a guardrail
            says so.
        units: Served name → units routed to it, where a unit stays with its model: those were divided, not requests.
        shadows: Served name of a shadow → the variant it is; its pairs are evidence for that variant.
        costs: Served name → what an answer costs, in any unit; a variant of equal quality that costs less is better.

    Evidence on the same units is preferred to that of separate arms. p-values are adjusted over all variants and
    metrics together.
    """
    served = {name: variant for name, variant in variants.items() if name != control}
    shadowed = {name: variant for name, variant in (shadows or {}).items() if variant != plan.control}
    judged = tuple(dict.fromkeys((*served.values(), *shadowed.values())))
    found = [
        row
        for variant in judged
        for row in _rows_of(
            plan, variant, control, _named(served, variant), _named(shadowed, variant), samples, paired, metrics
        )
    ]
    rows = _adjusted(found, plan.alpha)
    ratio = _ratio_check(plan, assignments if units is None else units, control, weights, served)
    prices = {variant: _cost(costs or {}, (*_named(served, variant), *_named(shadowed, variant))) for variant in judged}
    assigned = sum(assignments.values())
    return Comparison(
        control=plan.control,
        alpha=plan.alpha,
        practical=plan.practical,
        planned_requests=plan.requests,
        assigned_requests=assigned,
        rows=rows,
        sample_ratio=ratio,
        recommendations=tuple(
            recommend(
                plan,
                variant,
                tuple(row for row in rows if row.variant == variant and row.primary),
                ratio,
                assigned,
                costs=(prices[variant], (costs or {}).get(control)),
            )
            for variant in judged
        ),
    )


def choose(comparison: Comparison) -> str | None:
    """Return the variant to adopt, or None to keep the control.

    Of several, the one better on most metrics; of those, the one that costs least beside the control, then the one
    named first.
    """
    adopted = [each for each in comparison.recommendations if each.verdict == "adopt"]
    if not adopted:
        return None
    return min(
        adopted, key=lambda each: (-len(each.better_on), 1.0 if each.cost_ratio is None else each.cost_ratio)
    ).variant


def _named(names: Mapping[str, str], variant: str) -> tuple[str, ...]:
    return tuple(name for name, each in names.items() if each == variant)


def _cost(costs: Mapping[str, float], names: Sequence[str]) -> float | None:
    return next((costs[name] for name in names if name in costs), None)


def _rows_of(
    plan: ABTestPlan,
    variant: str,
    control: str,
    arms: Sequence[str],
    shadows: Sequence[str],
    samples: Samples,
    paired: Samples,
    about: tuple[Metric, ...],
) -> list[MetricRow]:
    """Return the rows of one variant: per metric that of its own traffic, and that of pairs where there are any."""
    ours = samples.get(arms[0], {}) if arms else {}
    pairs = _most_pairs(paired, (*arms, *shadows))
    metrics = dict.fromkeys(
        (*(guardrail.metric for guardrail in plan.guardrails), *samples.get(control, {}), *ours, *pairs)
    )
    rows = []
    for metric in metrics:
        absent = NoData(reason=f"{metric} was not reported" if arms else f"{variant} has no share of the traffic")
        contrast = Contrast(plan, metric, variant, control, arms[0] if arms else shadows[0], about)
        split = contrast.row(
            samples.get(control, {}).get(metric, NoData(reason=f"{metric} of the control was not reported")),
            ours.get(metric, absent),
        )
        together = None
        if metric in pairs:
            name, sample = pairs[metric]
            together = Contrast(plan, metric, variant, control, name, about).paired_row(sample)
        primary_pairs = together is not None and together.status is Status.OK
        rows.append(split.model_copy(update={"primary": not primary_pairs}))
        if together is not None:
            rows.append(together.model_copy(update={"primary": primary_pairs}))
    return rows


def _most_pairs(paired: Samples, names: Sequence[str]) -> dict[str, tuple[str, PairedMoments]]:
    """Return per metric the pairs of whichever of the names has most."""
    most: dict[str, tuple[str, PairedMoments]] = {}
    for name in names:
        for metric, sample in paired.get(name, {}).items():
            if isinstance(sample, PairedMoments) and (metric not in most or sample.count > most[metric][1].count):
                most[metric] = (name, sample)
    return most


def _adjusted(rows: Sequence[MetricRow], alpha: float) -> tuple[MetricRow, ...]:
    """Return the rows with what depends on all of them: adjusted p-values, significance and harm."""
    tested = [index for index, row in enumerate(rows) if row.primary and row.p_value is not None]
    p_values = [rows[index].p_value or 0.0 for index in tested]
    adjusted = dict(zip(tested, holm(p_values), strict=True))
    concluded = []
    for index, row in enumerate(rows):
        p_holm = adjusted.get(index)
        significant = p_holm is not None and p_holm < alpha
        effect = row.effect if significant else "undecided"
        judged = row.model_copy(update={"p_holm": p_holm, "significant": significant, "effect": effect})
        harmed = row.primary and (row.beyond_limit or judged.intolerable)
        concluded.append(judged.model_copy(update={"harmed": harmed}))
    return tuple(concluded)


def _ratio_check(
    plan: ABTestPlan,
    assignments: Mapping[str, int],
    control: str,
    weights: Mapping[str, int],
    served: Mapping[str, str],
) -> SampleRatioCheck:
    names = {**served, control: plan.control}
    shares = {name: float(weight) for name, weight in weights.items() if weight > 0}
    test = sample_ratio(assignments, shares)
    ok = None if test.p_value is None else test.p_value >= RATIO_ALPHA
    whole = sum(shares.values()) or 1.0
    return SampleRatioCheck(
        status=test.status,
        ok=ok,
        p_value=test.p_value,
        observed={names.get(name, name): assignments.get(name, 0) for name in shares},
        expected={names.get(name, name): share / whole for name, share in shares.items()},
    )
