"""The one place where evidence becomes a verdict.

    decide(plan, looks) = judge(plan, fold of update over the looks, from start)

The same looks give the same decision to the last bit, whoever asks: flow, guard, replay or simulation. The order
of the questions: is there data, is traffic divided as it should be, is harm certain, is its absence proven, is
time up. Harm that was certain once stays certain.
"""

import functools
import math
from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime, Field

from firstflight.analysis.asymptotic import mean_interval
from firstflight.analysis.dispersion import dispersion
from firstflight.analysis.exceedance import edges_for, quantile_estimate, quantile_interval
from firstflight.analysis.proportion import Interval, proportion_interval
from firstflight.analysis.sample_ratio import ALPHA as RATIO_ALPHA
from firstflight.analysis.status import Status
from firstflight.evidence import Averaged, Counted, Evidence, Faulty, Stage, Tally, Timed
from firstflight.plans import CanaryPlan, Guardrail
from firstflight.samples import Look
from firstflight.values import Value
from firstflight.weighing import (
    alpha_of,
    mean_difference,
    mean_level,
    ratio_log_e,
    start,
    total_log_e,
    update,
)

__all__ = [
    "Decision", "Evidence", "MetricVerdict", "SampleRatio", "Verdict", "decide", "judge", "start", "update",
]  # fmt: skip


_MEAN_NOTES = {
    Status.OK: "",
    Status.INSUFFICIENT_DATA: "too few for an interval yet",
    Status.ZERO_VARIANCE: "every value is the same, so its error is unknown",
    Status.NOT_FINITE: "a value is not finite",
}


class Verdict(StrEnum):
    """What a check concludes."""

    CONTINUE = "CONTINUE"  # not enough is known yet; look again
    PROMOTE = "PROMOTE"  # certainly not worse: go to the next stage
    ROLL_BACK = "ROLL_BACK"  # harm is certain
    INCONCLUSIVE = "INCONCLUSIVE"  # time is up, or the data cannot answer


class MetricVerdict(Value):
    """What one guardrail shows, in numbers that can be replayed.

    `stable`, `candidate` and the always-valid interval `low` to `high` are of this stage after its warm-up, in the
    metric's own unit; the interval is the candidate's, or that of candidate - stable when the guardrail has no
    limit. An end is None where the data do not bound it. Evidence of harm spans the rollout; it is certain when
    `log_e_rollback` reaches `log_threshold_rollback`. Proof is of this stage.
    """

    metric: str
    status: Literal["harm", "proven", "undecided", "no_data", "not_applicable", "invalid", "watched"]
    unit: Literal["share", "ms", ""] = ""
    quantile: float | None = None
    stable: float | None = None
    candidate: float | None = None
    interval_of: Literal["candidate", "difference"] = "candidate"
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    margin: float | None = None
    log_e_rollback: float = 0.0
    log_threshold_rollback: float
    log_e_promote: float | None = None
    log_threshold_promote: float
    n_stable: int = 0
    n_candidate: int = 0
    dispersion: float = 1.0
    note: str = ""


class SampleRatio(Value):
    """Whether requests were divided as the router says: `observed` counts against `expected` shares, this stage."""

    status: Literal["ok", "mismatch", "not_observed"]
    log_e: float = 0.0
    log_threshold: float
    observed: dict[str, int] = Field(default={})
    expected: dict[str, float] = Field(default={})


class Decision(Value):
    """A verdict and why; the reasons are whole sentences with value, interval, limit and sample.

    `triggers` names the guardrails that call for rolling back. `log_evidence` is that of harm to anything at all.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    triggers: tuple[str, ...] = ()
    metrics: tuple[MetricVerdict, ...] = ()
    sample_ratio: SampleRatio | None = None
    log_evidence: float = 0.0
    log_evidence_threshold: float | None = None
    stage: int | None = None
    at: AwareDatetime | None = None


def decide(plan: CanaryPlan, looks: Sequence[Look], stable: str, candidate: str) -> Decision:
    """Return what all looks of a rollout so far, in order, allow to conclude."""
    return judge(
        plan, functools.reduce(lambda known, look: update(plan, known, look), looks, start(plan, stable, candidate))
    )


def judge(plan: CanaryPlan, evidence: Evidence) -> Decision:
    """Return what the evidence allows to conclude at its last look."""
    stage = evidence.stage
    if stage is None:
        return Decision(verdict=Verdict.CONTINUE, reasons=("no look has been taken yet",))
    metrics = tuple(_judge_metric(plan, evidence, guardrail) for guardrail in plan.guardrails)
    ratio = _judge_ratio(evidence, stage)
    verdict, reasons = _conclude(plan, evidence, stage, metrics, ratio)
    return Decision(
        verdict=verdict,
        reasons=(*reasons, evidence.ignored) if evidence.ignored else reasons,
        triggers=evidence.harmed,
        metrics=metrics,
        sample_ratio=ratio,
        log_evidence=total_log_e(plan, evidence.log_harm),
        log_evidence_threshold=-math.log(plan.alpha_rollback),
        stage=stage.percent,
        at=evidence.at,
    )


def _conclude(
    plan: CanaryPlan, evidence: Evidence, stage: Stage, metrics: tuple[MetricVerdict, ...], ratio: SampleRatio
) -> tuple[Verdict, tuple[str, ...]]:
    by_name = {metric.metric: metric for metric in metrics}
    if evidence.harmed:
        return Verdict.ROLL_BACK, tuple(_harm_sentence(by_name[name]) for name in evidence.harmed)
    if sentence := _why_unanswerable(plan, evidence, ratio):
        return Verdict.INCONCLUSIVE, (sentence,)
    if silence := _silence(evidence):
        return _waiting(plan, stage, (f"no data of the candidate for {silence:,.0f} s",))
    proving = [by_name[guardrail.metric] for guardrail in plan.guardrails if guardrail.proves]
    if unproven := [metric for metric in proving if metric.status not in {"proven", "not_applicable"}]:
        return _waiting(plan, stage, tuple(_sentence(metric) for metric in unproven))
    if stage.warming_up or stage.elapsed < plan.min_stage_seconds:
        return _waiting(plan, stage, (f"nothing left to prove, but a stage lasts {plan.min_stage_seconds:,.0f} s",))
    proof = tuple(_sentence(metric) for metric in proving if metric.status == "proven")
    return Verdict.PROMOTE, proof or (f"no guardrail asks for proof at {stage.percent} %, and none shows harm",)


def _why_unanswerable(plan: CanaryPlan, evidence: Evidence, ratio: SampleRatio) -> str:
    """Return why no amount of evidence would answer; empty when it might."""
    silence = _silence(evidence)
    if silence > plan.no_data_seconds:
        allowed = f"at most {plan.no_data_seconds:,.0f} s allowed"
        return f"blind: no data of the candidate for {silence:,.0f} s, {allowed}; is it receiving traffic?"
    return _ratio_sentence(ratio) if evidence.skewed else ""


def _waiting(plan: CanaryPlan, stage: Stage, reasons: tuple[str, ...]) -> tuple[Verdict, tuple[str, ...]]:
    """Return CONTINUE with the reasons, or INCONCLUSIVE once the stage has had its time."""
    if stage.elapsed >= plan.stage_seconds:
        late = (
            f"undecided after {stage.elapsed:,.0f} s at {stage.percent} %, at most {plan.stage_seconds:,.0f} s allowed"
        )
        return Verdict.INCONCLUSIVE, (late, *reasons)
    note = f"{stage.elapsed:,.0f} s into the stage at {stage.percent} %"
    return Verdict.CONTINUE, (f"{note}, warming up" if stage.warming_up else note, *reasons)


def _silence(evidence: Evidence) -> float:
    """Return for how many seconds the candidate has shown nothing."""
    if evidence.until is None or evidence.data_until is None:
        return 0.0
    return (evidence.until - evidence.data_until).total_seconds()


def _judge_ratio(evidence: Evidence, stage: Stage) -> SampleRatio:
    shares = {name: weight / 100 for name, weight in stage.weights.items() if weight > 0}
    status: Literal["ok", "mismatch", "not_observed"] = "ok" if stage.assignments else "not_observed"
    return SampleRatio(
        status="mismatch" if evidence.skewed else status,
        log_e=ratio_log_e(evidence),
        log_threshold=-math.log(RATIO_ALPHA),
        observed=stage.assignments,
        expected=shares,
    )


def _judge_metric(plan: CanaryPlan, evidence: Evidence, guardrail: Guardrail) -> MetricVerdict:
    known = evidence.metrics.get(guardrail.metric)
    common = MetricVerdict(
        metric=guardrail.metric,
        status="no_data",
        quantile=guardrail.quantile,
        limit=guardrail.limit,
        margin=guardrail.margin,
        log_e_rollback=evidence.log_harm.get(guardrail.metric, 0.0),
        log_threshold_rollback=-math.log(alpha_of(plan, guardrail)),
        log_threshold_promote=-math.log(plan.alpha_promote),
    )
    if known is None:
        return common.model_copy(update={"note": "never reported"})
    if isinstance(known, Faulty):
        return common.model_copy(update={"status": "invalid", "note": known.fault})
    control, alpha = evidence.has_control, plan.alpha_promote
    match known:
        case Counted():
            numbers = _count_numbers(guardrail, known, alpha, control=control)
        case Timed():
            numbers = _time_numbers(guardrail, known, alpha)
        case Averaged():
            numbers = _mean_numbers(guardrail, known, alpha, control=control)
    status = _status(guardrail, known, harmed=guardrail.metric in evidence.harmed, control=control)
    return common.model_copy(update={**numbers, "status": status, "log_e_promote": known.log_proof})


def _status(guardrail: Guardrail, known: Counted | Timed | Averaged, *, harmed: bool, control: bool) -> str:
    if harmed:
        return "harm"
    if known.log_proof is None and (guardrail.proves or not control):
        return "not_applicable"
    if known.proven:
        return "proven"
    return "undecided" if guardrail.proves else "watched"


def _bounded(end: float) -> float | None:
    return end if math.isfinite(end) else None


def _count_numbers(guardrail: Guardrail, known: Counted, alpha: float, *, control: bool) -> dict[str, object]:
    difference = guardrail.margin is not None and guardrail.limit is None and control
    level = alpha / 2 if difference else alpha
    new = _natural_interval(guardrail, known.candidate, level)
    interval = new
    if difference:
        old = _natural_interval(guardrail, known.stable, level)
        interval = Interval(new.low - old.high, new.high - old.low)
    return {
        "unit": "share",
        "stable": _natural_rate(guardrail, known.stable),
        "candidate": _natural_rate(guardrail, known.candidate),
        "interval_of": "difference" if difference else "candidate",
        "low": interval.low,
        "high": interval.high,
        "n_stable": known.stable.exposures,
        "n_candidate": known.candidate.exposures,
        "dispersion": dispersion(known.spread),
    }


def _natural_rate(guardrail: Guardrail, tally: Tally) -> float | None:
    if tally.exposures == 0:
        return None
    rate = tally.events / tally.exposures
    return rate if guardrail.direction == "lower_is_better" else 1 - rate


def _natural_interval(guardrail: Guardrail, tally: Tally, alpha: float) -> Interval:
    interval = proportion_interval(tally.events, tally.exposures, alpha)
    return interval if guardrail.direction == "lower_is_better" else Interval(1 - interval.high, 1 - interval.low)


def _time_numbers(guardrail: Guardrail, known: Timed, alpha: float) -> dict[str, object]:
    quantile, limit = guardrail.quantile or 0.0, guardrail.limit or 0.0
    interval = quantile_interval(known.edges, known.candidate, quantile, alpha)
    around = edges_for(known.edges, limit)
    note = "" if around.exact else _edge_note(known.edges, limit, around.harm, around.proof)
    return {
        "unit": "ms",
        "stable": quantile_estimate(known.edges, known.stable, quantile),
        "candidate": quantile_estimate(known.edges, known.candidate, quantile),
        "low": _bounded(interval.low),
        "high": _bounded(interval.high),
        "n_stable": sum(known.stable),
        "n_candidate": sum(known.candidate),
        "dispersion": dispersion(known.spread),
        "note": note,
    }


def _edge_note(edges: Sequence[float], limit: float, harm: int | None, proof: int | None) -> str:
    harmful = f"harm counts above {edges[harm]:g}" if harm is not None else "harm beyond it cannot be seen"
    proving = f"proof below {edges[proof]:g}" if proof is not None else "nothing can be proven"
    return f"no bucket edge at the limit {limit:g}: {harmful}, {proving}"


def _mean_numbers(guardrail: Guardrail, known: Averaged, alpha: float, *, control: bool) -> dict[str, object]:
    pair = known.paired
    new, old = known.candidate, known.stable
    difference = control and guardrail.limit is None
    estimate, horizon = mean_difference(known) if difference else mean_level(known)
    interval = mean_interval(estimate, alpha, horizon)
    paired = pair is not None and (difference or new.count == 0)
    return {
        "stable": (pair.control_mean if paired and pair else old.mean if old.count else None),
        "candidate": (pair.treatment_mean if paired and pair else new.mean if new.count else None),
        "interval_of": "difference" if difference else "candidate",
        "low": _bounded(interval.low),
        "high": _bounded(interval.high),
        "n_stable": pair.count if paired and pair else old.count,
        "n_candidate": pair.count if paired and pair else new.count,
        "note": _MEAN_NOTES[estimate.status],
    }


def _harm_sentence(metric: MetricVerdict) -> str:
    odds = math.exp(min(metric.log_e_rollback, 60.0))
    needed = math.exp(metric.log_threshold_rollback)
    return f"{_sentence(metric)}; evidence of harm {odds:,.0f} to 1, {needed:,.0f} to 1 needed"


def _sentence(metric: MetricVerdict) -> str:
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
        return f"{100 * value:.{1 if value >= 0.0095 else 2}f} %".replace(".0 %", " %").replace(".00 %", " %")  # noqa: PLR2004
    return f"{value:,.0f} ms" if metric.unit == "ms" else f"{value:.4g}"


def _gap(metric: MetricVerdict, value: float, sign: str = "") -> str:
    if metric.unit == "share":
        return f"{100 * value:{sign}.1f}".removesuffix(".0") + " points"
    return f"{value:{sign},.0f} ms" if metric.unit == "ms" else f"{value:{sign}.4g}"


def _ratio_sentence(ratio: SampleRatio) -> str:
    total = sum(ratio.observed.get(name, 0) for name in ratio.expected)
    parts = [
        f"{name} got {ratio.observed.get(name, 0):,} requests, {share * total:,.0f} expected"
        for name, share in ratio.expected.items()
    ]
    return "traffic is not divided as the router says, so nothing it shows may be trusted: " + "; ".join(parts)
