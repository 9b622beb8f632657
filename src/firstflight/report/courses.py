"""How evidence grew, gathered from the decisions of a rollout's checks."""

from collections.abc import Iterable, Sequence

from firstflight.decision.verdicts import Decision, MetricVerdict
from firstflight.domain.plans import Guardrail
from firstflight.domain.samples import NoData
from firstflight.report.data import GuardrailCourse, GuardrailLook


def guardrail_courses(
    decisions: Iterable[Decision], guardrails: Sequence[Guardrail]
) -> tuple[GuardrailCourse, ...] | NoData:
    """Return the course of each guardrail over `decisions`, one per check, in order; shares are turned into percent."""
    looks: dict[str, list[tuple[GuardrailLook, MetricVerdict]]] = {}
    for decision in decisions:
        for found in decision.metrics:
            if decision.at is not None:
                scale = 100.0 if found.unit == "share" else 1.0
                difference = found.interval_of == "difference"
                look = GuardrailLook(
                    at=decision.at,
                    value=_scaled(_difference(found) if difference else found.candidate, scale),
                    low=_scaled(found.low, scale),
                    high=_scaled(found.high, scale),
                    log_e_rollback=found.log_e_rollback,
                    log_e_promote=found.log_e_promote,
                )
                looks.setdefault(found.metric, []).append((look, found))
    courses = tuple(_course(looks[one.metric], one) for one in guardrails if one.metric in looks)
    return courses or NoData(reason="No check was made.")


def _course(looks: list[tuple[GuardrailLook, MetricVerdict]], guardrail: Guardrail) -> GuardrailCourse:
    last = looks[-1][1]
    scale = 100.0 if last.unit == "share" else 1.0
    quantile = f" p{100 * last.quantile:g}" if last.quantile is not None else ""
    return GuardrailCourse(
        metric=last.metric + quantile,
        unit="%" if last.unit == "share" else last.unit,
        direction=guardrail.direction,
        interval_of=last.interval_of,
        limit=_scaled(last.limit, scale),
        margin=_scaled(last.margin, scale),
        log_threshold_rollback=last.log_threshold_rollback,
        log_threshold_promote=last.log_threshold_promote if guardrail.proves else None,
        status=last.status.replace("_", " "),
        looks=tuple(look for look, _ in looks),
        note=last.note,
    )


def _difference(found: MetricVerdict) -> float | None:
    if found.stable is None or found.candidate is None:
        return None
    return found.candidate - found.stable


def _scaled(value: float | None, scale: float) -> float | None:
    return None if value is None else value * scale
