"""Whether a variant should take the control's place, in sentences a person can check."""

from typing import Literal

from pydantic import Field

from firstflight.analysis.status import Status
from firstflight.comparison.metric_rows import MetricRow
from firstflight.domain.metrics import OF_REQUESTS
from firstflight.domain.plans import ABTestPlan
from firstflight.domain.values import Value
from firstflight.domain.wording import gap, number, p_words, quantity, signed, span


class SampleRatioCheck(Value):
    """Whether requests reached the variants in the planned shares; `ok` is None when nothing can be said."""

    status: Status
    ok: bool | None = None
    p_value: float | None = None
    observed: dict[str, int] = Field(default={})
    expected: dict[str, float] = Field(default={})

    @property
    def sentence(self) -> str:
        """The check in words."""
        got = " / ".join(f"{count:,}" for count in self.observed.values())
        planned = " / ".join(f"{100 * share:g}" for share in self.expected.values())
        names = " / ".join(self.observed)
        if self.p_value is None:
            return "the division of requests cannot be checked: " + (
                "no requests were seen" if self.status is Status.NO_DATA else "fewer than two arms have a share"
            )
        verdict = "as" if self.ok else "not as"
        return f"{names} got {got} requests where {planned} % were planned ({verdict} planned, {p_words(self.p_value)})"


class Recommendation(Value):
    """What to do with one variant, and why.

    adopt: every guardrail that asks for proof has it, none is harmed, and something is better. A lower cost is better
    only where the outcomes are shown to be within their margins. keep control: harm is certain, or nothing is better.
    inconclusive: proof is missing, or the test cannot be trusted. "No significant difference" is never proof.
    `better_on` names the metrics that are better, significantly and by enough to matter; `cost_ratio` is the
    variant's cost beside the control's.
    """

    variant: str
    verdict: Literal["adopt", "keep control", "inconclusive"]
    reasons: tuple[str, ...]
    better_on: tuple[str, ...] = ()
    cost_ratio: float | None = None


def recommend(
    plan: ABTestPlan,
    variant: str,
    rows: tuple[MetricRow, ...],
    ratio: SampleRatioCheck,
    assigned: int,
    costs: tuple[float | None, float | None] = (None, None),
) -> Recommendation:
    """Return what to do with `variant`, from its primary rows; `costs` are its own and the control's."""
    by_metric = {row.metric: row for row in rows}
    confidence = f"{100 * (1 - plan.alpha):g} %"
    better = tuple(row for row in rows if _is_better(row))
    cost, control_cost = costs
    cost_ratio = cost / control_cost if cost is not None and control_cost else None
    gains = [f"better: {_difference(row, confidence)}" for row in better]
    cheaper = cost_ratio is not None and cost_ratio <= 1 - plan.practical
    unequal = _unequal(plan, by_metric, confidence)
    if cost_ratio is not None and cheaper and not unequal:
        saved = f"({signed(round(100 * (cost_ratio - 1)))} %)"
        gains.append(f"cheaper: an answer costs {number(cost)} against {number(control_cost)} {saved}")
    trade = [
        f"worse, {'within what is tolerated' if row.guarded else 'but held by no guardrail'}: "
        f"{_difference(row, confidence)}"
        for row in rows
        if row.surely_worse and not row.harmed
    ]
    proving = [guardrail.metric for guardrail in plan.guardrails if guardrail.proves]
    shown = [row for name in proving if (row := by_metric[name]).proof and row.proof and row.proof.shown]
    missing = [by_metric[name] for name in proving if by_metric[name] not in shown]
    harmed = [row for row in rows if row.harmed]
    short = (
        (f"the test ended with {assigned:,} of {plan.requests:,} planned requests",) if assigned < plan.requests else ()
    )

    def concluded(verdict: Literal["adopt", "keep control", "inconclusive"], reasons: list[str]) -> Recommendation:
        return Recommendation(
            variant=variant,
            verdict=verdict,
            reasons=(*reasons, *short),
            better_on=tuple(row.metric for row in better),
            cost_ratio=cost_ratio,
        )

    if ratio.ok is False:
        return concluded("inconclusive", [f"nothing this test shows may be trusted: {ratio.sentence}"])
    if harmed:
        return concluded("keep control", [_harm(row, confidence) for row in harmed])
    proofs = [_proof(row, confidence) for row in shown]
    lacking = [_lack(row, confidence) for row in missing]
    if ratio.status is Status.NO_DATA:
        lacking.append(ratio.sentence)
    if lacking:
        return concluded("inconclusive", [*lacking, *proofs])
    if not gains and cheaper:
        return concluded("inconclusive", [f"cheaper, but not shown to be as good: {unequal}", *proofs, *trade])
    if not gains:
        nothing = f"not worse than {plan.control}, but no metric is better by {100 * plan.practical:g} % or more"
        nothing += "" if cost_ratio is None else f", and an answer costs {signed(round(100 * (cost_ratio - 1)))} %"
        return concluded("keep control", [nothing, *proofs, *trade])
    return concluded("adopt", [*gains, *proofs, *trade])


def _is_better(row: MetricRow) -> bool:
    """Whether a row's own figure is better for certain and by enough to matter.

    Mann-Whitney's p speaks of the whole distribution; a quantile is better when its own interval says so too.
    """
    certain = row.quantile is None or (row.improvement_low is not None and row.improvement_low > 0)
    return row.significant and row.practical and row.effect == "better" and certain


def _unequal(plan: ABTestPlan, by_metric: dict[str, MetricRow], confidence: str) -> str:
    """Return why a lower cost is no gain: an outcome is not shown to be within its margin; empty when all are."""
    held = [by_metric.get(one.metric) for one in plan.guardrails if one.margin and one.metric not in OF_REQUESTS]
    if not held or None in held:
        return "the plan gives no outcome a margin to be held to"
    return next((_lack(row, confidence) for row in held if row and not (row.proof and row.proof.shown)), "")


def _harm(row: MetricRow, confidence: str) -> str:
    if row.beyond_limit and row.limit is not None:
        return (
            f"{row.name} is beyond its limit: {quantity(row.treatment.estimate, row.unit)} over {_units(row)}, "
            f"limit {quantity(row.limit, row.unit)}, certain with {confidence} confidence"
        )
    allowed = f"at most {gap(row.tolerance, row.unit)} is tolerated" if row.tolerance else "none is tolerated"
    return f"harm is certain: {_difference(row, confidence)}; {allowed}"


def _proof(row: MetricRow, confidence: str) -> str:
    good = "within its limit" if row.proof and row.proof.of == "limit" else "not worse"
    return f"{row.name} is {good}: {_beside(row)}; {proof_words(row)}, {confidence} confidence, {_units(row)}"


def _lack(row: MetricRow, confidence: str) -> str:
    if row.proof is None and row.status is Status.OK:
        return f"{row.name} asks for proof but the plan gives it neither a limit nor a margin"
    if row.status is not Status.OK or row.proof is None or row.proof.bound is None:
        return f"{row.name} is unknown: {row.note or f'{_beside(row)}, not bounded by {_units(row)}'}"
    good = "within its limit" if row.proof.of == "limit" else "good enough"
    needed = row.proof.needed and float(f"{row.proof.needed:.2g}")
    more = f"; some {needed:,.0f} would show it, if the difference stays" if needed else ""
    return (
        f"{row.name} is not shown to be {good}: {_beside(row)}; it {proof_words(row)}, "
        f"{confidence} confidence, {_units(row)}{more}"
    )


def proof_words(row: MetricRow) -> str:
    """Return how good or how bad a row may be for certain, beside what it is held to; empty without a proof's bound."""
    proof, unit = row.proof, row.unit
    if proof is None or proof.bound is None:
        return ""
    if proof.of == "limit":
        end = "at most" if row.direction == "lower_is_better" else "at least"
        said = f"{end if proof.shown else 'may still be'} {quantity(proof.bound, unit)}"
        return f"{said}, limit {quantity(proof.held_to, unit)}"
    if not proof.shown:
        said = f"may still be {gap(proof.bound, unit)} worse"
    elif proof.bound <= 0:
        said = f"better by {gap(-proof.bound, unit)} or more"
    else:
        said = f"worse by at most {gap(proof.bound, unit)}"
    return f"{said}, margin {gap(proof.held_to, unit)}"


def _difference(row: MetricRow, confidence: str) -> str:
    """Return the row's figures: both arms, the difference with its interval, the adjusted p-value."""
    parts = [f"{row.name} {_beside(row)}"]
    if row.difference is not None:
        difference = f"difference {gap(row.difference, row.unit, sign=True)}"
        if row.low is not None and row.high is not None:
            ends = span(gap(row.low, row.unit, sign=True), gap(row.high, row.unit, sign=True))
            difference += f", {confidence} interval {ends}"
        parts.append(difference)
    if row.improvement is not None:
        parts.append(f"{number(abs(row.improvement))} % {'better' if row.improvement > 0 else 'worse'}")
    if row.p_holm is not None:
        parts.append(f"adjusted {p_words(row.p_holm)}")
    return ", ".join([*parts, _units(row)])


def _beside(row: MetricRow) -> str:
    return f"{quantity(row.treatment.estimate, row.unit)} against {quantity(row.control.estimate, row.unit)}"


def _units(row: MetricRow) -> str:
    if row.paired:
        return f"{row.treatment.n:,} paired blocks"
    what = "requests" if row.unit == "ms" or row.metric in OF_REQUESTS else "outcomes"
    return f"{row.treatment.n:,} {what} (control {row.control.n:,})"
