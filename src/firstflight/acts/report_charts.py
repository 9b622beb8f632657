"""What a report draws over time: requests, latency and errors by served model."""

from collections.abc import Callable, Sequence

from firstflight.domain.plans import Guardrail
from firstflight.domain.samples import NoData
from firstflight.observation.history import Activity, Bin
from firstflight.report.data import Chart, Line, Point, TrafficBin


def traffic(bins: tuple[Bin, ...]) -> tuple[TrafficBin, ...] | NoData:
    """Return how many requests each model answered in each bin; what a shadow answered went to nobody."""
    counted = tuple(
        TrafficBin(
            at=found.at,
            seconds=found.seconds,
            requests={name: one.requests for name, one in found.models.items() if not one.shadow},
        )
        for found in bins
    )
    return counted if any(one.requests for one in counted) else NoData(reason="No request was counted.")


def charts(bins: tuple[Bin, ...], guardrails: Sequence[Guardrail]) -> tuple[Chart, ...] | NoData:
    """Return latency and error rate over time with the limits of `guardrails`."""
    names = sorted({name for found in bins for name, one in found.models.items() if not one.shadow})
    if not names:
        return NoData(reason="Neither latency nor errors were measured.")
    limits = {guardrail.metric: guardrail.limit for guardrail in guardrails}
    errors = limits.get("error_rate")
    latency = [
        line
        for name in names
        for line in (
            Line(variant=name, label="p50", dashed=True, points=_points(bins, name, lambda one: one.p50)),
            Line(variant=name, label="p95", points=_points(bins, name, lambda one: one.p95)),
        )
    ]
    failed = [
        Line(variant=name, points=_points(bins, name, lambda one: 100.0 * one.failed / one.requests)) for name in names
    ]
    return (
        Chart(title="Latency", unit="ms", lines=tuple(latency), limit=limits.get("latency")),
        Chart(title="Error rate", unit="%", lines=tuple(failed), limit=None if errors is None else 100.0 * errors),
    )


def _points(bins: tuple[Bin, ...], name: str, value: Callable[[Activity], float | None]) -> tuple[Point, ...]:
    return tuple(
        Point(at=found.at, value=value(found.models[name]) if name in found.models else None) for found in bins
    )
