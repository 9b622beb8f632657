"""What a plan can answer in its time, before a request is sent."""

import math
from collections.abc import Callable, Mapping
from typing import Literal

from firstflight.analysis.sequential_plan import (
    NEVER_DECIDES,
    Requests,
    bounded_mean_decides,
    harm_over_control,
    harm_over_limit,
    proof_against_control,
    proof_within_limit,
)
from firstflight.decision.reasons import outlasting
from firstflight.decision.weighing.budget import alpha_of
from firstflight.decision.weighing.counts import COMMON
from firstflight.decision.weighing.harm import RELATIVE_SHARE, TAIL_RELATIVE_SHARE
from firstflight.domain.plans import CanaryPlan, Guardrail
from firstflight.domain.values import Value

_AT_ONCE = 0.35  # share of the wealth on a fault that is there from the first request on
_NO_HARM = 0.7  # share of a proof's wealth on a candidate exactly as good as the stable model


class GuardrailForecast(Value):
    """What one guardrail takes in one stage. Times are from the stage's start, its warm-up included.

    `proof_minutes` is how long a candidate as good as the stable model needs to show it (median, 95 %), None where
    nothing is to be proven or it never will be. `smallest_regression` is the smallest harmful share that half of the
    stages of this length would catch, None when none. `reference_regression` is the fault the last two are about:
    the margin on top of the stable model's rate, else twice the limit. Where blocks count, a request is a block, all of
    it right or wrong and without luck that both arms share: what is shared takes less.
    """

    metric: str
    verdict: Literal["ok", "tight", "impossible", "not planned"]
    proof_requests: tuple[float, float] | None = None
    proof_minutes: tuple[float, float] | None = None
    smallest_regression: float | None = None
    reference_regression: float | None = None
    detection_minutes: tuple[float, float] | None = None
    harmed_requests: float | None = None
    note: str = ""
    warning: str = ""


class StageForecast(Value):
    """What one stage can answer: `ok`, `tight` (not in 95 % of the cases) or `impossible` (not even in half)."""

    percent: int
    candidate_requests: float
    verdict: Literal["ok", "tight", "impossible"]
    guardrails: tuple[GuardrailForecast, ...]


def forecast(plan: CanaryPlan, rate: float, baselines: Mapping[str, float] | None = None) -> tuple[StageForecast, ...]:
    """Return what each stage of `plan` can answer at `rate` requests per second.

    `baselines` are the stable model's values, by metric: its error rate, its accuracy, its share of answers slower
    than the limit. Without one, a tenth of what the limit allows, or an accuracy of 90 %.
    """
    known = baselines or {}
    return tuple(_stage(plan, percent, rate, known) for percent in plan.stages)


def _stage(plan: CanaryPlan, percent: int, rate: float, baselines: Mapping[str, float]) -> StageForecast:
    per_second = rate * percent / 100
    budget = max(plan.stage_seconds - plan.warmup_seconds, 0.0) * per_second
    found = tuple(_guardrail(plan, each, percent, per_second, baselines) for each in plan.guardrails)
    verdicts = {each.verdict for each in found}
    verdict: Literal["ok", "tight", "impossible"] = (
        "impossible" if "impossible" in verdicts else "tight" if "tight" in verdicts else "ok"
    )
    return StageForecast(percent=percent, candidate_requests=budget, verdict=verdict, guardrails=found)


def _guardrail(
    plan: CanaryPlan, guardrail: Guardrail, percent: int, per_second: float, baselines: Mapping[str, float]
) -> GuardrailForecast:
    base, limit = _harmful_shares(guardrail, baselines)
    warning, block = outlasting(plan, guardrail), guardrail.block_seconds
    if base is None or (limit is None and guardrail.margin is None):
        note = "no limit or margin on a share"
        return GuardrailForecast(metric=guardrail.metric, verdict="not planned", note=note, warning=warning)
    share = percent / 100
    if block is not None:
        per_second = min(per_second, 1 / block)
    alpha = alpha_of(plan, guardrail)
    available = max(plan.stage_seconds - plan.warmup_seconds, 0.0)

    def minutes(requests: Requests) -> tuple[float, float] | None:
        if math.isinf(requests.p95) or math.isinf(requests.median):
            return None
        return _minutes(plan, requests.median / per_second), _minutes(plan, requests.p95 / per_second)

    def detect(harmful: float) -> Requests:
        options = []
        relative = RELATIVE_SHARE if guardrail.quantile is None else TAIL_RELATIVE_SHARE
        if share < 1 and guardrail.quantile is not None and limit is not None:  # beyond the limit is slower than stable
            options.append(harm_over_limit(harmful, limit, alpha, wealth=_AT_ONCE * relative))
        elif share < 1:
            wealth = _AT_ONCE * (relative if limit is not None else 1.0)
            options.append(
                harm_over_control(harmful, base, share, alpha, wealth=wealth, full=base >= COMMON)
                if block is None
                else bounded_mean_decides(harmful - base, _squares(harmful) + _squares(base), alpha, wealth=wealth)
            )
        if limit is not None:
            wealth = _AT_ONCE * (1 - relative)
            options.append(
                harm_over_limit(harmful, limit, alpha, wealth=wealth)
                if block is None
                else bounded_mean_decides(harmful - limit, _squares(harmful), alpha, wealth=wealth)
            )
        return min(options, key=lambda found: found.median, default=NEVER_DECIDES)

    proof = _proof(plan, guardrail, base, limit, share)
    reference = min(base + guardrail.margin if guardrail.margin is not None else 2 * (limit or 0.0), 0.99)
    caught = detect(reference)
    verdict: Literal["ok", "tight", "impossible"] = "ok"
    if guardrail.proves and proof is not None:
        verdict = (
            "impossible"
            if proof.median > available * per_second
            else "tight"
            if proof.p95 > available * per_second
            else "ok"
        )
    needed = proof if guardrail.proves else None
    return GuardrailForecast(
        metric=guardrail.metric,
        verdict=verdict,
        proof_requests=None if needed is None or math.isinf(needed.p95) else (needed.median, needed.p95),
        proof_minutes=None if needed is None else minutes(needed),
        smallest_regression=_smallest(lambda harmful: detect(harmful).median, base, available * per_second),
        reference_regression=reference,
        detection_minutes=minutes(caught),
        harmed_requests=None if block or math.isinf(caught.median) else caught.median * reference,
        note="" if proof is not None else "nothing to prove without a stable arm",
        warning=warning,
    )


def _squares(share: float) -> float:
    """Return the variance of outcomes that are all right or all wrong."""
    return share * (1 - share)


def _harmful_shares(guardrail: Guardrail, baselines: Mapping[str, float]) -> tuple[float | None, float | None]:
    """Return the stable model's share of harmful events and the limit on it; None where the metric is no share."""
    given = baselines.get(guardrail.metric)
    if guardrail.quantile is not None:
        limit = 1 - guardrail.quantile
        return (limit / 10 if given is None else given), limit
    if guardrail.limit is not None and not 0 < guardrail.limit < 1:
        return None, None
    if guardrail.direction == "higher_is_better":
        bound = None if guardrail.limit is None else 1 - guardrail.limit
        return (0.10 if given is None else 1 - given), bound
    if given is not None:
        return given, guardrail.limit
    return (0.001 if guardrail.limit is None else guardrail.limit / 10), guardrail.limit


def _proof(plan: CanaryPlan, guardrail: Guardrail, base: float, limit: float | None, share: float) -> Requests | None:
    """Return what proof takes, None where there is nothing to prove."""
    alpha = plan.alpha_promote
    if guardrail.quantile is not None and limit is not None:
        return proof_within_limit(base, limit, alpha)
    if guardrail.block_seconds is not None:
        if guardrail.margin is not None and share < 1:
            return bounded_mean_decides(guardrail.margin, 2 * _squares(base), alpha)
        allowed = None if limit is None else limit + (guardrail.margin or 0.0)
        return None if allowed is None else bounded_mean_decides(allowed - base, _squares(base), alpha)
    if guardrail.margin is not None and share < 1:
        return proof_against_control(base, guardrail.margin, share, alpha, wealth=_NO_HARM)
    if limit is None:
        return None
    return proof_within_limit(base, min(limit + (guardrail.margin or 0.0), 0.999), alpha)


def _minutes(plan: CanaryPlan, seconds: float) -> float:
    """Return the time into the stage of the check that sees what takes so long after the warm-up."""
    checks = max(math.ceil((plan.warmup_seconds + seconds) / plan.check_seconds), 1)
    return checks * plan.check_seconds / 60


def _smallest(median: Callable[[float], float], base: float, budget: float) -> float | None:
    """Return the smallest harmful share whose median number of requests fits the budget, to 1 part in 100."""
    low, high = base, 0.99
    if median(high) > budget:
        return None
    while high - low > 0.01 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if median(middle) > budget else (low, middle)
    return high
