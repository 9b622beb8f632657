"""The plans that follow from what training produced."""

from firstflight.domain.plans import ABTestPlan, CanaryPlan
from firstflight.domain.versions import ModelVersion, Registered, Trained
from firstflight.rollout.release import ab_test_after, canary_after

NUMBERS = {"baseline": 1, "enhanced": 2, "lightweight": 3}
PLAN = ABTestPlan(
    model="m", weights={"baseline": 50, "enhanced": 30, "lightweight": 20}, control="baseline", shadow="lightweight"
)


def version(variant: str, number: int) -> ModelVersion:
    """A version with a digest of its own."""
    return ModelVersion(model="m", variant=variant, number=number, digest=f"sha256:{number:064x}")


def trained(*refused: str) -> Trained:
    """Three variants, some of which the gate refused."""
    return Trained(
        variants={
            name: Registered(version=version(name, number), passed=name not in refused, reasons=())
            for name, number in NUMBERS.items()
        }
    )


def test_all_three_are_compared_when_all_pass() -> None:
    """The plan's weights stand, each variant at the version just trained."""
    test = ab_test_after(PLAN, trained(), version("baseline", 1))
    assert test is not None
    assert (PLAN.weights, NUMBERS) == (test.weights, test.versions)


def test_a_refused_variant_gives_its_share_to_the_control() -> None:
    """What may not have traffic gets none, and the sum stays 100."""
    test = ab_test_after(PLAN, trained("enhanced"), version("baseline", 1))
    assert test is not None
    assert {"lightweight": 20, "baseline": 80} == test.weights
    assert {"lightweight": 3, "baseline": 1} == test.versions


def test_a_refused_shadow_is_left_out() -> None:
    """A shadow is evidence for its variant; a refused one needs none."""
    test = ab_test_after(PLAN, trained("lightweight"), version("baseline", 1))
    assert test is not None
    assert test.shadow is None


def test_nothing_is_compared_when_nothing_passed() -> None:
    """The champion stays."""
    assert ab_test_after(PLAN, trained("enhanced", "lightweight"), version("baseline", 1)) is None


def test_the_control_is_the_champion_whatever_its_variant() -> None:
    """After a promotion the new variants are compared with what serves."""
    test = ab_test_after(PLAN, trained(), version("lightweight", 9))
    assert test is not None
    assert 9 == test.versions["baseline"]


def test_the_canary_names_both_versions() -> None:
    """Nothing is left to an alias that may move meanwhile."""
    canary = canary_after(CanaryPlan(model="m"), version("lightweight", 3), version("baseline", 1))
    assert (3, 1) == (canary.candidate, canary.stable)
