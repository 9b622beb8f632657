"""The plans that follow from what a release's training produced."""

from firstflight.domain.plans import ABTestPlan, CanaryPlan
from firstflight.domain.versions import ModelVersion, Trained


def ab_test_after(plan: ABTestPlan, trained: Trained, champion: ModelVersion) -> ABTestPlan | None:
    """Return the A/B test of `plan` over what passed the gate, or None when nothing is left to compare.

    The control's share is the champion's. A refused variant's share falls to the control, and a
    refused shadow is left out.
    """
    candidates = {
        name: trained.variants[name].version.number
        for name in plan.weights
        if name in trained.passed and name != plan.control and trained.variants[name].version != champion
    }
    if not candidates:
        return None
    weights = {name: plan.weights[name] for name in candidates}
    weights[plan.control] = 100 - sum(weights.values())
    shadow = plan.shadow if plan.shadow in candidates else None
    versions = {**candidates, plan.control: champion.number}
    return plan.model_copy(update={"weights": weights, "versions": versions, "shadow": shadow})


def canary_after(plan: CanaryPlan, winner: ModelVersion, champion: ModelVersion) -> CanaryPlan:
    """Return the canary of `plan` for the version the A/B test recommends."""
    return CanaryPlan.model_validate({**plan.model_dump(), "candidate": winner.number, "stable": champion.number})
