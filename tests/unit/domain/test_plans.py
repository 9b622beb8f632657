"""Plans refuse what cannot work, at birth."""

import pytest
from pydantic import ValidationError

from firstflight.domain.plans import ABTestPlan, CanaryPlan, Guardrail, ReleasePlan, TrainingPlan


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ((5, 50), "must ascend and end at 100"),
        ((50, 5, 100), "must ascend and end at 100"),
        ((5, 5, 100), "must ascend and end at 100"),
        ((0, 100), "must begin above 0 %"),
        ((), "must begin above 0 %"),
        ((5, 101), "less than or equal to 100"),
    ],
)
def test_stages_that_do_not_climb_to_100_are_refused(stages: tuple[int, ...], message: str) -> None:
    """The message says what was found and what is wanted."""
    with pytest.raises(ValidationError, match=message):
        CanaryPlan(model="m", stages=stages, approvals=())


def test_an_approval_before_no_stage_is_refused() -> None:
    """A person would never be asked."""
    with pytest.raises(ValidationError, match=r"approvals before stages \[30\], but the stages are"):
        CanaryPlan(model="m", approvals=(30,))


def test_a_candidate_is_not_tried_against_itself() -> None:
    """One version cannot be both."""
    with pytest.raises(ValidationError, match="both version 3"):
        CanaryPlan(model="m", candidate=3, stable=3)


def test_weights_that_do_not_add_up_are_refused() -> None:
    """The sum is named."""
    with pytest.raises(ValidationError, match="sum to 95, must be 100"):
        ABTestPlan(model="m", weights={"baseline": 75, "lightweight": 20})


def test_a_control_without_traffic_is_refused() -> None:
    """There would be nothing to compare with."""
    with pytest.raises(ValidationError, match="control 'baseline' is not among"):
        ABTestPlan(model="m", weights={"enhanced": 50, "lightweight": 50})


def test_an_unknown_variant_is_refused() -> None:
    """Only designs that exist can be trained."""
    with pytest.raises(ValidationError, match="'baseline', 'enhanced' or 'lightweight'"):
        TrainingPlan.model_validate({"variants": ["transformer"]})


def test_an_unknown_field_is_refused() -> None:
    """A misspelt limit must not pass in silence."""
    with pytest.raises(ValidationError, match="limt"):
        Guardrail.model_validate({"metric": "error_rate", "limt": 0.01})


def test_two_guardrails_on_one_metric_are_refused() -> None:
    """Nobody could tell which holds."""
    twice = (Guardrail(metric="error_rate", limit=0.01), Guardrail(metric="error_rate", limit=0.02))
    with pytest.raises(ValidationError, match="twice"):
        CanaryPlan(model="m", guardrails=twice)


def test_a_release_is_about_one_model() -> None:
    """Training one model and canarying another is a slip."""
    with pytest.raises(ValidationError, match="different models"):
        ReleasePlan(training=TrainingPlan(model="a"), ab_test=ABTestPlan(model="a"), canary=CanaryPlan(model="b"))


def test_a_guardrail_without_anything_to_prove_is_refused() -> None:
    """Neither limit nor margin, yet proof demanded: no candidate could ever pass."""
    with pytest.raises(ValueError, match="neither limit nor margin"):
        CanaryPlan(model="churn", guardrails=(Guardrail(metric="profit"),))
    assert CanaryPlan(model="churn", guardrails=(Guardrail(metric="profit", proves=False),)).guardrails
