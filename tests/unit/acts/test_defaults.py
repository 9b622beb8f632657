"""What a plan takes by itself: after a promotion, and beside versions that somebody broke or refused."""

import pytest

from firstflight.acts.deploy import deploy
from firstflight.acts.ledger_view import append
from firstflight.acts.roll_back import bring_home
from firstflight.acts.start import resume_or_start, shadow_name
from firstflight.domain.errors import ModelNotFoundError, RolloutError
from firstflight.domain.plans import ABTestPlan, CanaryPlan
from firstflight.domain.versions import ModelVersion
from firstflight.rollout.machine import EnterStage, Phase, next_act
from firstflight.serving.lease import Surrender
from tests.unit.acts.twin import MODEL, PLAN, Twin, drive

DEFAULT = CanaryPlan.model_validate({**PLAN.model_dump(), "candidate": None})


def alias(twin: Twin, name: str) -> ModelVersion:
    """Whom the alias names."""
    return twin.world.registry.get(MODEL, name)


def challenger(twin: Twin, variant: str = "lightweight") -> ModelVersion:
    """A version that is served, and is to be tried next."""
    version = twin.candidate(variant)
    twin.world.registry.set_alias(version, "challenger")
    return version


def promoted(twin: Twin) -> tuple[ModelVersion, ModelVersion]:
    """The model before and the one that the default canary promoted."""
    stable, candidate = twin.champion(), challenger(twin)
    assert Phase.PROMOTED is drive(twin.world, resume_or_start(twin.world, DEFAULT, run="run-1")).phase
    return stable, candidate


def test_the_default_canary_works_right_after_a_promotion(twin: Twin) -> None:
    """Champion and challenger are never one: what served before is to be tried next, the way back."""
    stable, candidate = promoted(twin)
    assert (candidate, stable) == (alias(twin, "champion"), alias(twin, "challenger"))
    rollout = resume_or_start(twin.world, DEFAULT, run="run-2")
    assert (candidate, stable) == (rollout.arms.stable, rollout.candidate)


def test_another_challenger_stays_the_challenger(twin: Twin) -> None:
    """It was trained while another version was being promoted."""
    twin.champion()
    candidate, newer = twin.candidate(), challenger(twin, "enhanced")
    plan = PLAN.model_copy(update={"candidate": candidate.number})
    assert Phase.PROMOTED is drive(twin.world, resume_or_start(twin.world, plan, run="run-1")).phase
    assert (candidate, newer) == (alias(twin, "champion"), alias(twin, "challenger"))


def test_a_promotion_that_is_taken_back_gives_both_names_back(twin: Twin) -> None:
    """Brought home during the bake."""
    stable, candidate = twin.champion(), challenger(twin)
    rollout = resume_or_start(twin.world, DEFAULT, run="run-1")
    rollout = append(twin.world.ledger, rollout, "promotion.intended", {"candidate": rollout.candidate.served_name})
    twin.world.registry.set_alias(candidate, "champion")
    twin.world.registry.set_alias(stable, "challenger")
    bring_home(twin.world, rollout, Surrender(actor="ada", reason="stop", trigger="person"))
    assert (stable, candidate) == (alias(twin, "champion"), alias(twin, "challenger"))


@pytest.mark.parametrize("tags", [{"fault": "errors"}, {"gate": "refused"}])
def test_what_is_broken_or_refused_is_no_default(twin: Twin, tags: dict[str, str]) -> None:
    """The newest of its variant, registered last: a test takes the sound one before it, a canary is refused."""
    control, sound = twin.champion(), twin.candidate()
    deploy(twin.world, sound, shadow_name(sound))
    bad = twin.register("lightweight", tags)
    deploy(twin.world, bad)
    plan = ABTestPlan(model=MODEL, weights={"baseline": 80, "lightweight": 20}, shadow="lightweight")
    twin.world.registry.set_alias(bad, "challenger")
    with pytest.raises(RolloutError, match="name it as candidate"):
        resume_or_start(twin.world, DEFAULT, run="run-1")
    named = resume_or_start(twin.world, DEFAULT.model_copy(update={"candidate": bad.number}), run="run-1")
    assert bad == named.candidate
    bring_home(twin.world, named, Surrender(actor="ada", reason="stop", trigger="person"))
    arms = resume_or_start(twin.world, plan, run="run-2").arms
    assert (control, (sound,), sound) == (arms.stable, arms.candidates, arms.shadow)


def test_a_variant_without_a_sound_version_is_an_error_that_names_what_is_there(twin: Twin) -> None:
    """Nothing is taken in its place."""
    twin.champion()
    twin.register("lightweight", {"fault": "errors"})
    plan = ABTestPlan(model=MODEL, weights={"baseline": 80, "lightweight": 20}, shadow=None)
    with pytest.raises(ModelNotFoundError, match=r"no sound version of variant 'lightweight'.*2 \(lightweight\)"):
        resume_or_start(twin.world, plan, run="run-1")


def test_after_a_promotion_the_champion_is_not_compared_with_itself(twin: Twin) -> None:
    """Its variant's share falls to the control, which it is; the rest is compared, and without any it is refused."""
    _, champion = promoted(twin)
    enhanced = twin.candidate("enhanced")
    plan = ABTestPlan(model=MODEL, weights={"baseline": 50, "enhanced": 30, "lightweight": 20}, shadow="lightweight")
    rollout = resume_or_start(twin.world, plan, run="run-2")
    assert (champion, (enhanced,), None) == (rollout.arms.stable, rollout.arms.candidates, rollout.arms.shadow)
    assert {champion.served_name: 70, enhanced.served_name: 30} == rollout.arms.weights
    assert EnterStage(stage=30) == next_act(rollout)
    bring_home(twin.world, rollout, Surrender(actor="ada", reason="stop", trigger="person"))
    alone = ABTestPlan(model=MODEL, weights={"baseline": 80, "lightweight": 20}, shadow=None)
    with pytest.raises(RolloutError, match="train another, or name versions"):
        resume_or_start(twin.world, alone, run="run-3")
