"""Plans refuse what cannot work, at birth."""

import math

import pytest
from pydantic import ValidationError

from firstflight.domain.errors import InvalidPlanError
from firstflight.domain.metrics import Metric
from firstflight.domain.plans import RECORDED, ABTestPlan, AdoptPlan, CanaryPlan, Guardrail, ReleasePlan, TrainingPlan


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
        ABTestPlan(model="m", weights={"enhanced": 50, "lightweight": 50}, control="baseline")


def test_what_is_left_to_the_workload_is_read_again_as_it_was_written() -> None:
    """A plan that names neither weights nor control nor variants comes back from its own JSON, and so does a part."""
    parts = {"ab_test": {"model": "m"}, "canary": {"model": "m"}, "training": {"model": "m"}}
    plan = ReleasePlan.model_validate(parts)
    assert plan == ReleasePlan.model_validate_json(plan.model_dump_json())


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


@pytest.mark.parametrize(
    ("guardrail", "reason"),
    [
        ({"metric": "error_rate", "limit": 0.0}, "limit 0 of a share must lie between 0 and 1"),
        ({"metric": "error_rate", "limit": 1.0}, "limit 1 of a share must lie between 0 and 1"),
        ({"metric": "error_rate", "limit": -1.0}, "limit -1 of a share must lie between 0 and 1"),
        ({"metric": "accuracy", "direction": "higher_is_better", "limit": 1e-17}, "limit 1e-17 of a share"),
        ({"metric": "accuracy", "direction": "higher_is_better", "margin": 1.0}, "margin 1 of a share must be below 1"),
        ({"metric": "error_rate", "limit": 0.01, "tolerance": 1.5}, "tolerance 1.5 of a share must be below 1"),
        ({"metric": "error_rate", "margin": 5e-324, "proves": False}, "of a share cannot be told from 0"),
        ({"metric": "error_rate", "margin": 1 - 1e-16}, "of a share must be below 1"),
        ({"metric": "error_rate", "limit": 1 - 1e-16}, "must lie between 0 and 1"),
        (
            {"metric": "latency", "limit": 200.0, "quantile": 0.95, "direction": "higher_is_better"},
            "only lower_is_better can be judged",
        ),
        ({"metric": "latency", "limit": 0.0, "quantile": 0.95}, "limit 0 of a quantile must be above 0"),
        (
            {"metric": "latency", "limit": 9.0, "quantile": 0.5, "block_seconds": 6},
            "a quantile is counted by the request",
        ),
        ({"metric": "latency", "limit": 200.0}, "name the quantile"),
        ({"metric": "error_rate", "limit": 0.01, "quantile": 0.95}, "has no quantile"),
    ],
)
def test_a_guardrail_that_can_never_answer_is_refused(guardrail: dict[str, object], reason: str) -> None:
    """Not even a perfect candidate would pass; the reason says which number is wrong."""
    with pytest.raises(ValidationError, match=reason):
        Guardrail.model_validate(guardrail)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"guardrails": ()}, "guardrails are empty"),
        ({"warmup_seconds": 1800}, "leaves nothing to judge"),
        ({"stage_seconds": 600, "warmup_seconds": 590}, "begins after 570 s"),
        ({"guardrails": ({"metric": "error_rate", "limit": 1e-10},)}, r"needs 3e\+10 requests in a stage"),
        ({"guardrails": ({"metric": "accuracy", "margin": 1e-11},)}, r"needs 3e\+11 requests in a stage"),
        ({"guardrails": ({"metric": "latency", "limit": 9.0, "quantile": 1 - 1e-13},)}, "can never be proven"),
        ({"guardrails": ({"metric": "accuracy", "margin": 0.05, "block_seconds": 60},)}, "at most 31 and .* needs 59"),
        ({"guardrails": ({"metric": "brier", "margin": 0.05, "block_seconds": 1801},)}, "at most 1 and .* needs 2"),
    ],
)
def test_a_canary_that_can_never_answer_is_refused(fields: dict[str, object], reason: str) -> None:
    """By the arithmetic of the forecast: no evidence grows faster than that of a perfect candidate."""
    with pytest.raises(ValidationError, match=reason):
        CanaryPlan.model_validate({"model": "churn", **fields})


def test_an_ab_test_without_guardrails_is_refused() -> None:
    """Nobody would watch over its users."""
    with pytest.raises(ValidationError, match="guardrails are empty"):
        ABTestPlan(model="m", guardrails=())


def test_what_is_left_out_of_proof_needs_no_time() -> None:
    """A limit too strict to be proven may still be watched."""
    watched = Guardrail(metric="error_rate", limit=1e-10, proves=False)
    assert (watched,) == CanaryPlan(model="churn", guardrails=(watched,)).guardrails


@pytest.mark.parametrize(
    ("block", "most"), [(5e-324, math.inf), (60.0, 31), (1800.0, 2), (1801.0, 1), (None, math.inf)]
)
def test_so_many_blocks_close_in_a_stage(block: float | None, most: float) -> None:
    """One more than fit; any number where a block is nothing, or answers stand for themselves."""
    assert most == Guardrail(metric="accuracy", margin=0.05, block_seconds=block).blocks_in(1800)


def test_a_recorded_plan_is_read_although_it_would_be_refused_today() -> None:
    """The ledger keeps what was once allowed."""
    born = CanaryPlan(model="churn").model_dump(mode="json")
    old = {**born, "guardrails": [], "warmup_seconds": 1800}
    assert () == CanaryPlan.model_validate(old, context=RECORDED).guardrails


def test_the_fewest_requests_are_those_of_the_forecast() -> None:
    """A stage that lasts one perfect proof less one request is impossible, at any traffic."""
    (guardrail,) = CanaryPlan(model="m", guardrails=(Guardrail(metric="error_rate", limit=0.01),)).guardrails
    assert math.ceil(guardrail.proof_requests(0.05)) == 299


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        *(
            ({name: seconds}, "must lie between 0 and 2,592,000|2.592e")
            for name in ("stage_seconds", "bake_seconds", "approval_seconds", "no_data_seconds", "check_seconds")
            for seconds in (2_592_001, 1e9, 1e300)
        ),
        ({"check_seconds": 1801}, "nothing would be looked at|longer than the 1800 s"),
        ({"check_seconds": 5e-324}, "too short"),
        ({"check_seconds": 0.5, "bake_seconds": 60_000}, "too short for bake_seconds of 60000 s"),
        ({"alpha_rollback": 1e-300}, "must lie between 1e-09 and 0.5"),
        ({"alpha_promote": 0.9}, "must lie between 1e-09 and 0.5"),
        ({"candidate": 2**31}, "must lie between 1 and"),
        ({"guardrails": [{"metric": f"m{number}", "limit": 1} for number in range(33)]}, "33 guardrails; at most 32"),
        ({"guardrails": [{"metric": "", "limit": 1}]}, "has 1 to 63 characters"),
        ({"guardrails": [{"metric": "profit", "limit": 1e300}]}, "must lie between -1e"),
        (
            {"guardrails": [{"metric": "error_rate", "limit": 0.01, "share": 1e-300}]},
            "must lie between 0.001 and 1,000",
        ),
    ],
)
def test_what_nobody_can_wait_for_or_count_is_refused(fields: dict[str, object], reason: str) -> None:
    """Every time and every number of a plan is bounded when it is made; an old ledger's are read as they are."""
    with pytest.raises(ValidationError, match=reason):
        CanaryPlan.model_validate({"model": "m", **fields})
    assert CanaryPlan.model_validate({"model": "m", **fields}, context=RECORDED)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"seconds": 1e300}, "must lie between"),
        ({"check_seconds": 7201}, "longer than the 7200 s"),
        ({"requests": 10**12}, "must lie between 100 and"),
        ({"alpha": 1e-300}, "must lie between 1e-09 and 0.5"),
        ({"weights": {"baseline": 100}}, "name the control alone"),
        ({"weights": {"baseline": 100, "lightweight": 0}}, "lightweight would have no traffic"),
        ({"weights": {"baseline": 0, "lightweight": 100}}, "baseline would have no traffic"),
    ],
)
def test_an_ab_test_that_could_not_end_is_refused(fields: dict[str, object], reason: str) -> None:
    """The same of A/B tests, whose every variant needs traffic besides."""
    with pytest.raises(ValidationError, match=reason):
        ABTestPlan.model_validate({"model": "m", **fields})
    assert ABTestPlan.model_validate({"model": "m", **fields}, context=RECORDED)


CLICKED = Metric(name="clicked", direction="higher_is_better", kind="share")
LOSS = Metric(name="loss", direction="lower_is_better", bounds=(0.0, 35.0))
ACCURACY = Metric(name="accuracy", direction="higher_is_better", kind="share", bounds=(0.0, 1.0))


def test_a_guardrail_learns_from_its_workload_what_it_does_not_say() -> None:
    """Whether its metric is a share, and between what its values lie; what it says itself stays."""
    metrics = (CLICKED, LOSS, ACCURACY)
    clicked = Guardrail(metric="clicked", direction="higher_is_better", margin=0.05).suited(metrics)
    assert (True, (0.0, 1.0)) == (clicked.is_share, clicked.value_bounds)
    assert (0.0, 35.0) == Guardrail(metric="loss", margin=1).suited(metrics).value_bounds
    assert (0.0, 5.0) == Guardrail(metric="loss", margin=1, bounds=(0, 5)).suited(metrics).value_bounds
    for known in (Guardrail(metric="accuracy", direction="higher_is_better", margin=0.05), Guardrail(metric="other")):
        assert known is known.suited(metrics)


def test_a_guardrail_that_cannot_judge_its_workload_s_metric_is_refused() -> None:
    """The other direction would call every gain harm; no share is worse by more than 1."""
    with pytest.raises(InvalidPlanError, match="'clicked' says lower_is_better; its workload, higher_is_better"):
        Guardrail(metric="clicked").suited((CLICKED,))
    with pytest.raises(ValidationError, match="margin 2 of a share must be below 1"):
        Guardrail(metric="clicked", direction="higher_is_better", margin=2).suited((CLICKED,))


def test_a_model_to_adopt_is_named_by_its_address_or_beside_it() -> None:
    """A registered model's own name, unless another is given; a run's model has none, and a folder is none."""
    filled = {"variant": "gbm", "by": "ann"}
    assert "churn" == AdoptPlan(address="models:/churn@best", **filled).model
    assert "other" == AdoptPlan(address="models:/churn/7", model="other", **filled).model
    assert "churn" == AdoptPlan(address="runs:/0123/model", model="churn", **filled).model
    for address, fault in (
        ("runs:/0123/model", "names no registered model"),
        ("models:/m-0123456789abcdef0123456789abcdef", "names no registered model"),
        ("models:/Churn_Model/7", "should match pattern"),
        ("file:///etc", "should match pattern"),
        ("/etc", "should match pattern"),
    ):
        with pytest.raises(ValidationError, match=fault):
            AdoptPlan(address=address, **({"model": "churn"} if "etc" in address else {}), **filled)
