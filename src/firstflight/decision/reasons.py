"""Reasons as sentences: value, interval, limit and sample, so that a person can check them."""

import functools
import math

from firstflight.decision.evidence import Tally
from firstflight.decision.verdicts import MetricVerdict, SampleRatio
from firstflight.domain.metrics import OF_REQUESTS
from firstflight.domain.plans import CanaryPlan, Guardrail
from firstflight.domain.wording import Unit, gap, metric_name, odds, quantity, span


def outlasting(plan: CanaryPlan, guardrail: Guardrail) -> str:
    """Return why a stage sees nothing of a guardrail whose blocks outlast it; empty where they close."""
    if guardrail.block_seconds is None or guardrail.block_seconds <= plan.stage_seconds:
        return ""
    return (
        f"a block of {guardrail.block_seconds:,g} s does not close within a stage of {plan.stage_seconds:,g} s: none "
        "can prove it, and harm may show only in a later one"
    )


def harm_sentence(metric: MetricVerdict) -> str:
    """Return why a guardrail calls for rolling back."""
    needed = odds(metric.log_threshold_rollback)
    told = sentence(metric)
    if metric.candidate is None and metric.n_candidate == 0 and metric.status != "invalid":  # of the stage itself
        told = f"candidate {metric_name(metric.metric, metric.quantile)}: harm by what came before this stage counts"
    return f"{told}; evidence of harm {odds(metric.log_e_rollback)}, {needed} needed{_comparison(metric)}"


def failing_sentence(metric: MetricVerdict, failed: Tally) -> str:
    """Return which of its own limits the stable model breaks, by how much, since it was found out."""
    share = quantity(failed.events / max(failed.exposures, 1), "share")
    limit = quantity(metric.limit, metric.unit)
    if metric.quantile is not None:
        return (
            f"stable: {share} of {failed.exposures:,} requests took longer than {limit}, "
            f"at most {100 * (1 - metric.quantile):g} % may"
        )
    return f"stable: {share} of {failed.exposures:,} bad by {metric_name(metric.metric)}, limit {limit}"


def _comparison(metric: MetricVerdict) -> str:
    """Return which comparison showed the harm."""
    return f", most of it that the candidate is {_harm(metric)}" if metric.harm_against else ""


def _harm(metric: MetricVerdict) -> str:
    if metric.harm_against == "limit":
        return "beyond its limit"
    if metric.tolerance:
        return f"worse than stable by more than {gap(metric.tolerance, metric.unit)}"
    if metric.quantile is not None:
        return "slower than stable by more than half of what its limit leaves"
    return "worse than stable"


def meaning(metric: MetricVerdict) -> str:
    """Return what the status of a guardrail says in full: what is certain, or else what it is held to."""
    match metric.status:
        case "proven":
            return claim(metric)
        case "harm":
            return f"certainly {_harm(metric)}"
        case "invalid":
            return metric.note
        case "not_applicable" if metric.stable is None:
            return "no traffic on stable to compare with"
    return held(metric) or "watched for harm beside stable"


def sentence(metric: MetricVerdict) -> str:
    """Return one guardrail's numbers as a sentence a person can check."""
    name = metric_name(metric.metric, metric.quantile)
    if metric.status == "invalid":
        return f"{name} cannot be judged: {metric.note}"
    if metric.candidate is None and metric.n_candidate == 0:
        return f"candidate {name}: no data in this stage"
    seen = "beyond the last bucket" if metric.candidate is None else quantity(metric.candidate, metric.unit)
    beside = "" if metric.stable is None else f" (stable {quantity(metric.stable, metric.unit)})"
    held_to = f"proven to be {claim(metric)}" if metric.status == "proven" else held(metric)
    of_requests = metric.unit == "ms" or metric.metric in OF_REQUESTS
    sample = f"{metric.n_candidate:,} {'requests' if of_requests else 'outcomes'}"
    parts = (f"candidate {name} {seen}{beside}", held_to, interval_words(metric), sample, metric.note)
    return ", ".join([part for part in parts if part])


def waiting(metric: MetricVerdict, fewest: float) -> str:
    """Return what a guardrail that is not proven shows, and how many it waits for, of which none prove by fewer."""
    missing = math.ceil(fewest) - metric.n_candidate
    if missing <= 0 or metric.status == "invalid":
        return sentence(metric)
    return f"{sentence(metric)}; {missing:,} more are needed at the least"


def held(metric: MetricVerdict) -> str:
    """Return what a guardrail is held to; empty when nothing but stable."""
    return _held(metric.limit, metric.margin, metric.unit)


@functools.lru_cache(maxsize=256)
def _held(limit: float | None, margin: float | None, unit: Unit) -> str:
    parts = [f"limit {quantity(limit, unit)}"] if limit is not None else []
    parts += [f"margin {gap(margin, unit)}"] if margin is not None else []
    return ", ".join(parts)


def claim(metric: MetricVerdict) -> str:
    """Return what there is to prove of a guardrail before a promotion; empty when the plan names nothing.

    With a stable arm beside it a margin is what counts, and the limit is not claimed: the interval of the candidate
    may reach beyond it all the same.
    """
    beside = metric.quantile is None and metric.stable is not None
    return _claim(metric.limit, metric.margin, metric.unit, beside=beside)


@functools.lru_cache(maxsize=256)
def _claim(limit: float | None, margin: float | None, unit: Unit, *, beside: bool) -> str:
    if margin is not None and beside:
        return f"less than {gap(margin, unit)} worse than stable"
    if limit is None:
        return ""
    within = f"its limit of {quantity(limit, unit)}"
    return f"within {within}" if margin is None else f"no more than {gap(margin, unit)} beyond {within}"


def interval_words(metric: MetricVerdict) -> str:
    """Return the interval and what it is of; empty where the data do not bound it."""
    if metric.low is None and metric.high is None:
        return ""
    of = " of the difference of both averages" if metric.interval_of == "difference" else ""
    return f"{_level(metric.log_threshold_promote)}{of} {ends(metric)}"


@functools.lru_cache(maxsize=32)
def _level(log_threshold: float) -> str:
    return f"always-valid {100 * (1 - math.exp(-log_threshold)):g} % interval"


def ends(metric: MetricVerdict) -> str:
    """Return the two ends of the interval in the metric's unit."""
    shown = functools.partial(gap, sign=True) if metric.interval_of == "difference" else quantity
    low, high = metric.low, metric.high
    return span(None if low is None else shown(low, metric.unit), None if high is None else shown(high, metric.unit))


def ratio_sentence(ratio: SampleRatio) -> str:
    """Return which requests went astray."""
    return f"traffic is not divided as the router says, so nothing it shows may be trusted: {ratio_words(ratio)}"


def ratio_words(ratio: SampleRatio) -> str:
    """Return how many requests or units each model got, and how many were expected."""
    total = sum(ratio.observed.get(name, 0) for name in ratio.expected)
    return "; ".join(
        f"{name} got {ratio.observed.get(name, 0):,} {ratio.of}, {share * total:,.0f} expected"
        for name, share in ratio.expected.items()
    )
