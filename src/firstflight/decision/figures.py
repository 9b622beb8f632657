"""What each guardrail shows at a look: estimates, always-valid intervals, status."""

import math
from collections.abc import Sequence

from firstflight.analysis.dispersion import dispersion, mean_dispersion
from firstflight.analysis.exceedance import edges_for, quantile_estimate, quantile_interval
from firstflight.analysis.moments import control_arm, treatment_arm
from firstflight.analysis.proportion import Interval, proportion_interval
from firstflight.decision.evidence import Averaged, Counted, Evidence, Faulty, Tally, Timed
from firstflight.decision.reasons import outlasting
from firstflight.decision.verdicts import MetricVerdict
from firstflight.decision.weighing.budget import certain_log_e
from firstflight.decision.weighing.harm import sides
from firstflight.decision.weighing.means import interval
from firstflight.domain.plans import CanaryPlan, Guardrail

_UNBOUNDED = "its values have no bounds in the plan, so nothing is decided on their mean"


def metric_verdicts(plan: CanaryPlan, evidence: Evidence) -> tuple[MetricVerdict, ...]:
    """Return what each guardrail of the plan shows."""
    certain = certain_log_e(plan)
    return tuple([_metric_verdict(plan, evidence, each, certain[each.metric]) for each in plan.guardrails])


def _metric_verdict(plan: CanaryPlan, evidence: Evidence, guardrail: Guardrail, certain: float) -> MetricVerdict:
    known = evidence.metrics.get(guardrail.metric)
    about: dict[str, object] = {
        "metric": guardrail.metric,
        "status": "no_data",
        "quantile": guardrail.quantile,
        "limit": guardrail.limit,
        "margin": guardrail.margin,
        "tolerance": guardrail.tolerance,
        "log_e_rollback": evidence.log_harm.get(guardrail.metric, 0.0),
        "log_threshold_rollback": certain,
        "log_threshold_promote": -math.log(plan.alpha_promote),
    }
    if known is None:
        return MetricVerdict.model_validate({**about, "note": outlasting(plan, guardrail) or "never reported"})
    if isinstance(known, Faulty):
        return MetricVerdict.model_validate({**about, "status": "invalid", "note": known.fault})
    control, alpha = evidence.has_control, plan.alpha_promote
    match known:
        case Counted():
            about |= _count_numbers(guardrail, known, alpha, control=control)
        case Timed():
            about |= _time_numbers(guardrail, known, alpha)
        case Averaged():
            about |= _mean_numbers(guardrail, known, alpha, control=control)
    if blind := outlasting(plan, guardrail):
        about["note"] = "; ".join(filter(None, (blind, str(about.get("note", "")))))
    about["log_e_promote"] = known.log_proof
    about["status"] = _status(guardrail, known, harmed=guardrail.metric in evidence.harmed, control=control)
    if about["status"] == "harm":
        both = sides(guardrail, known, evidence.spent)
        about["harm_against"] = "limit" if both.limit is not None and both.limit > both.stable else "stable"
    return MetricVerdict.model_validate(about)


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
    difference = control and guardrail.limit is None
    new, old = known.candidate, known.stable
    if known.paired is not None:
        new, old = treatment_arm(known.paired), control_arm(known.paired)
    found = interval(guardrail, known, alpha, difference=difference)
    low, high = found or (-math.inf, math.inf)
    return {
        "unit": "share" if guardrail.is_share else "",
        "stable": old.mean if old.count else None,
        "candidate": new.mean if new.count else None,
        "interval_of": "difference" if difference else "candidate",
        "low": _bounded(low),
        "high": _bounded(high),
        "n_stable": old.count,
        "n_candidate": new.count,
        "dispersion": mean_dispersion(known.spread),
        "note": _UNBOUNDED if found is None else "",
    }
