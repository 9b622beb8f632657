"""Workloads by name, and what a plan leaves to its own."""

import pytest
from pydantic import ValidationError

from firstflight.domain.errors import InvalidPlanError, NotFoundError
from firstflight.domain.plans import ABTestPlan, CanaryPlan, Guardrail, ReleasePlan, TrainingPlan
from firstflight.settings import Settings
from firstflight.workloads.find import NAMES, filled, find
from firstflight.workloads.market.guardrails import GUARDRAILS
from firstflight.workloads.scores import SQUARED_ERROR, squared_error
from firstflight.workloads.workload import Workload

PRICES = Workload(
    name=f"{__name__}:PRICES",
    metrics=(SQUARED_ERROR,),
    score=squared_error,
    model="prices",
    guardrails=(Guardrail(metric="squared_error", tolerance=1.0, proves=False),),
)
"""Somebody's own, whose models come ready-made out of a registry."""
NUMBER = 7


@pytest.mark.parametrize("name", NAMES)
def test_each_of_the_library_s_own_is_there_whole(name: str) -> None:
    """Its reference is one of its variants, its A/B test is of them and has all of the traffic."""
    found = find(name)
    assert name == found.name
    assert found.reference in found.variants
    assert set(found.weights) == set(found.variants)
    assert 100 == sum(found.weights.values())
    assert found.shadow in {None, *found.variants}


def test_one_s_own_is_found_by_its_module() -> None:
    """`package.module:name`."""
    assert PRICES is find(f"{__name__}:PRICES")


@pytest.mark.parametrize("name", ["weather", "no.such.module:IT", "firstflight:IT", f"{__name__}:NUMBER"])
def test_an_unknown_one_is_refused_with_the_names_that_exist(name: str) -> None:
    """Neither a name of nothing, nor what cannot be imported, nor what is something else."""
    with pytest.raises(NotFoundError, match=f"{name}.*there are market"):
        find(name)


def test_the_market_s_plans_are_filled_as_they_always_were() -> None:
    """What was the plans' default before there were workloads."""
    training = filled(TrainingPlan())
    assert ("financial-predictor", ("baseline", "enhanced", "lightweight")) == (training.model, training.variants)
    test = filled(ABTestPlan(model="m"))
    assert {"baseline": 50, "enhanced": 30, "lightweight": 20} == test.weights
    assert ("baseline", "lightweight", GUARDRAILS) == (test.control, test.shadow, test.guardrails)
    assert "lightweight" == filled(ABTestPlan(model="m", weights={"baseline": 80, "enhanced": 20})).shadow
    assert filled(ABTestPlan(model="m", shadow=None)).shadow is None
    assert CanaryPlan(model="m", guardrails=GUARDRAILS) == filled(CanaryPlan(model="m"))
    parts = {"training": {}, "ab_test": {"model": "financial-predictor"}, "canary": {"model": "financial-predictor"}}
    release = filled(ReleasePlan.model_validate(parts))
    assert (training, "baseline", 30) == (release.training, release.first_champion, release.ab_test.weights["enhanced"])
    assert release is filled(release)


def test_a_workload_that_names_no_guardrails_has_those_of_serving() -> None:
    """None of them is about an outcome that it may not have."""
    bare = Workload(name="bare", metrics=(SQUARED_ERROR,), score=squared_error, model="bare")
    assert ["error_rate", "latency", "refused_rate"] == [one.metric for one in bare.guardrails]


def test_what_was_given_does_not_go_with_what_was_left() -> None:
    """The control is the reference unless the plan names one, and needs traffic."""
    with pytest.raises(ValidationError, match="control 'baseline' is not among"):
        filled(ABTestPlan(model="m", weights={"enhanced": 50, "lightweight": 50}))


def test_variants_that_a_workload_has_not_are_refused() -> None:
    """Only designs that exist can be trained; the message names them."""
    with pytest.raises(InvalidPlanError, match="no variants transformer; it has baseline, enhanced, lightweight"):
        filled(TrainingPlan(variants=("baseline", "transformer")))


def test_a_release_is_about_one_workload() -> None:
    """That of its training, where a part names none; a part that names another is refused."""
    name, model = PRICES.name, "prices"
    plan = ReleasePlan.model_validate(
        {"training": {"workload": name, "model": model}, "ab_test": {"model": model}, "canary": {"model": model}}
    )
    other = plan.model_copy(update={"canary": CanaryPlan(model=model, workload="market")})
    with pytest.raises(InvalidPlanError, match=f"canary is about workload 'market', training about '{name}'"):
        filled(other)
    assert PRICES.guardrails == filled(plan.canary.model_copy(update={"workload": name})).guardrails


@pytest.mark.parametrize(
    ("name", "answer", "truth"),
    [
        ("market", 0.5, 1.0),
        ("market", 0.49, 0.0),
        ("digits", [0.1, 0.2, 0.7, 0, 0, 0, 0, 0, 0, 0], 2),
        (PRICES.name, 12.5, 12.5),
    ],
)
def test_a_drill_makes_up_truths_by_which_the_answers_are_right(name: str, answer: object, truth: object) -> None:
    """A model that turns its answers round is then always wrong."""
    assert truth == find(name).believes(answer)  # type: ignore[arg-type]  # JSON


def test_what_a_workload_has_not_is_not_asked_of_it() -> None:
    """The message says what to do instead."""
    with pytest.raises(InvalidPlanError, match="has no questions; ask its models by clients of your own"):
        PRICES.questions(Settings())
    with pytest.raises(InvalidPlanError, match="trains nothing; register versions of its models"):
        PRICES.train(TrainingPlan(), None)  # type: ignore[arg-type]  # nothing to train with
    with pytest.raises(InvalidPlanError, match="no A/B test of its own; name weights and control"):
        filled(ABTestPlan(model="prices", workload=PRICES.name))
