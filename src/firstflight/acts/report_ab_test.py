"""How a report tells an A/B test."""

from collections.abc import Sequence
from typing import Any

from firstflight.acts.compare import comparison_in
from firstflight.comparison.compare import Comparison, MetricRow, SampleRatioCheck
from firstflight.domain.plans import ABTestPlan
from firstflight.domain.samples import NoData
from firstflight.ledger.record import RecordStore
from firstflight.report.data import Arm, ArmShare, Recommendation, SampleRatio
from firstflight.report.data import Comparison as Shown
from firstflight.rollout.machine import Rollout


def ab_test_sections(ledger: RecordStore, told: Sequence[Rollout]) -> dict[str, Any]:
    """Return the report's sections on the last A/B test among `told`; empty when there was none."""
    tests = [rollout for rollout in told if isinstance(rollout.plan, ABTestPlan)]
    if not tests:
        return {}
    found = comparison_in(ledger, tests[-1])
    if found is None:
        return {"comparisons": NoData(reason="The A/B test ended before it could compare.")}
    reasons = tuple(
        f"{one.variant}: {one.verdict}: {reason}" for one in found.recommendations for reason in one.reasons
    )
    rows = tuple(shown for row in found.rows if (shown := _shown(row)))
    return {
        "recommendation": Recommendation(headline=found.headline, reasons=reasons),
        "comparisons": rows or NoData(reason=_why_nothing(found)),
        "sample_ratio": _ratio(found.sample_ratio),
    }


def _shown(row: MetricRow) -> Shown | None:
    """The row as the page shows it; None when there is nothing to compare."""
    if row.difference is None or row.low is None or row.high is None:
        return None
    if row.control.estimate is None or row.treatment.estimate is None:
        return None
    scale = 100.0 if row.unit == "share" else 1.0
    return Shown(
        metric=row.metric + (" (same units)" if row.paired else ""),
        unit="%" if row.unit == "share" else row.unit,
        control=Arm(variant=row.control.served_name, n=row.control.n, mean=row.control.estimate * scale),
        treatment=Arm(variant=row.treatment.served_name, n=row.treatment.n, mean=row.treatment.estimate * scale),
        difference=row.difference * scale,
        difference_low=row.low * scale,
        difference_high=row.high * scale,
        improvement=row.improvement,
        improvement_low=row.improvement_low,
        improvement_high=row.improvement_high,
        p_value=row.p_holm if row.p_holm is not None else row.p_value,
        significant=row.significant,
        practical=row.practical,
        non_inferior=row.proof.shown if row.proof else None,
    )


def _why_nothing(found: Comparison) -> str:
    notes = sorted({row.note for row in found.rows if row.note})
    return "; ".join(notes)[:500] or "No metric had data in both arms."


def _ratio(check: SampleRatioCheck) -> SampleRatio | NoData:
    if not check.observed:
        return NoData(reason=check.sentence)
    return SampleRatio(
        ok=check.ok,
        sentence=check.sentence,
        arms=tuple(
            ArmShare(variant=name, expected=check.expected.get(name, 0.0), observed=count)
            for name, count in check.observed.items()
        ),
    )
