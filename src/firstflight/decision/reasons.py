"""Reasons as sentences: value, interval, limit and sample, so that a person can check them."""

import math

from firstflight.decision.evidence import Tally
from firstflight.decision.verdicts import MetricVerdict, SampleRatio

_SMALL = 0.0095
"""Shares below this are told to a hundredth of a percent."""


def harm_sentence(metric: MetricVerdict) -> str:
    """Return why a guardrail calls for rolling back."""
    odds = math.exp(min(metric.log_e_rollback, 60.0))
    needed = math.exp(metric.log_threshold_rollback)
    return f"{sentence(metric)}; evidence of harm {odds:,.0f} to 1, {needed:,.0f} to 1 needed{_comparison(metric)}"


def failing_sentence(metric: MetricVerdict, failed: Tally) -> str:
    """Return which of its own limits the stable model breaks, by how much, since it was found out."""
    share = f"{100 * failed.events / max(failed.exposures, 1):.3g} %"
    if metric.quantile is not None:
        return (
            f"stable: {share} of {failed.exposures:,} requests took longer than {_value(metric, metric.limit)}, "
            f"at most {100 * (1 - metric.quantile):g} % may"
        )
    return (
        f"stable: {share} of {failed.exposures:,} bad by {metric.metric.replace('_', ' ')}, "
        f"limit {_value(metric, metric.limit)}"
    )


def _comparison(metric: MetricVerdict) -> str:
    """Return which comparison showed the harm."""
    if metric.harm_against == "limit":
        return ", most of it that the candidate is beyond its limit"
    if metric.harm_against == "stable":
        return f", most of it that the candidate is worse than stable{_beyond_tolerance(metric)}"
    return ""


def _beyond_tolerance(metric: MetricVerdict) -> str:
    if metric.tolerance:
        return f" by more than {_gap(metric, metric.tolerance)}"
    return " by more than half of what its limit leaves" if metric.quantile is not None else ""


def sentence(metric: MetricVerdict) -> str:
    """Return one guardrail's numbers as a sentence a person can check."""
    name = metric.metric.replace("_", " ")
    if metric.unit == "ms" and metric.quantile is not None:
        name = f"p{100 * metric.quantile:g} {name}"
    if metric.status == "invalid":
        return f"{name} cannot be judged: {metric.note}"
    if metric.candidate is None and metric.n_candidate == 0:
        return f"candidate {name}: no data in this stage"
    parts = [f"candidate {name} {_value(metric, metric.candidate)}"]
    if metric.stable is not None:
        parts[0] += f" (stable {_value(metric, metric.stable)})"
    parts.append(_interval_words(metric))
    if metric.limit is not None:
        parts.append(f"limit {_value(metric, metric.limit)}")
    if metric.margin is not None:
        parts.append(f"margin {_gap(metric, metric.margin)}")
    parts.append(f"{metric.n_candidate:,} {'requests' if metric.unit else 'units'}")
    if metric.note:
        parts.append(metric.note)
    return ", ".join(part for part in parts if part)


def _interval_words(metric: MetricVerdict) -> str:
    level = f"always-valid {100 * (1 - math.exp(-metric.log_threshold_promote)):g} % interval"
    if metric.low is None and metric.high is None:
        return ""
    if metric.interval_of == "difference":
        if metric.low is None or metric.high is None:
            return ""
        return f"difference with {level} {_gap(metric, metric.low, sign='+')} to {_gap(metric, metric.high, sign='+')}"
    if metric.high is None:
        return f"{level} above {_value(metric, metric.low)}"
    if metric.low is None:
        return f"{level} up to {_value(metric, metric.high)}"
    low, high = _value(metric, metric.low), _value(metric, metric.high)
    return f"{level} {low.removesuffix(' %').removesuffix(' ms')}\u2013{high}"


def _value(metric: MetricVerdict, value: float | None) -> str:
    if value is None:
        return "beyond the last bucket" if metric.unit == "ms" else "unknown"
    if metric.unit == "share":
        digits = 1 if value >= _SMALL else 2
        return f"{100 * value:.{digits}f} %".replace(".0 %", " %").replace(".00 %", " %")
    return f"{value:,.0f} ms" if metric.unit == "ms" else f"{value:.4g}"


def _gap(metric: MetricVerdict, value: float, sign: str = "") -> str:
    if metric.unit == "share":
        return f"{100 * value:{sign}.1f}".removesuffix(".0") + " points"
    return f"{value:{sign},.0f} ms" if metric.unit == "ms" else f"{value:{sign}.4g}"


def ratio_sentence(ratio: SampleRatio) -> str:
    """Return which requests went astray."""
    total = sum(ratio.observed.get(name, 0) for name in ratio.expected)
    parts = [
        f"{name} got {ratio.observed.get(name, 0):,} requests, {share * total:,.0f} expected"
        for name, share in ratio.expected.items()
    ]
    return "traffic is not divided as the router says, so nothing it shows may be trusted: " + "; ".join(parts)
