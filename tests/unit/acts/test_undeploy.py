"""Old versions go after the bake; what serves, what is warm and what is to be tried stays."""

import pytest

from firstflight.acts.deploy import deploy
from firstflight.acts.homecoming import bring_model_home
from firstflight.acts.start import resume_or_start, shadow_name
from firstflight.acts.undeploy import undeploy, undeploy_old
from firstflight.domain.errors import NotFoundError, RolloutError, ServingError
from firstflight.rollout.machine import Phase
from tests.unit.acts.twin import AB_TEST, MODEL, PLAN, Twin, begun, drive, in_first_stage


def promoted(twin: Twin, run: str, variant: str = "lightweight") -> str:
    """Have a new version promoted, and return its served name."""
    version = twin.candidate(variant)
    plan = PLAN.model_copy(update={"candidate": version.number})
    assert Phase.PROMOTED is drive(twin.world, resume_or_start(twin.world, plan, run=run)).phase
    return version.served_name


def test_after_many_releases_few_versions_are_served(twin: Twin) -> None:
    """The one that serves, and the one before it, warm."""
    twin.champion()
    names = [promoted(twin, f"run-{number}") for number in range(20)]
    assert set(names[-2:]) == twin.backend.served()
    assert names[-1] == twin.registry.get(MODEL, "champion").served_name


def test_after_many_roll_backs_few_versions_are_served(twin: Twin) -> None:
    """Candidates that came home make room too; the last one stays, to be looked at and tried again."""
    stable = twin.champion()
    for number in range(20):
        version = twin.candidate("lightweight")
        twin.clients.failing[version.served_name] = 0.5
        plan = PLAN.model_copy(update={"candidate": version.number})
        ended = drive(twin.world, resume_or_start(twin.world, plan, run=f"run-{number}"))
        assert Phase.ROLLED_BACK is ended.phase
        assert {stable.served_name, version.served_name} == twin.backend.served()


def test_a_release_leaves_its_losers_and_its_shadow_behind(twin: Twin) -> None:
    """What an A/B test or a canary tried and nobody kept goes too; a version that was not tried yet stays."""
    stable = twin.champion()
    loser, shadow = twin.candidate(), shadow_name(twin.registry.versions(MODEL)[-1])
    deploy(twin.world, loser, shadow)
    test = AB_TEST.model_copy(update={"shadow": "lightweight"})
    assert Phase.COMPARED is drive(twin.world, resume_or_start(twin.world, test, run="test")).phase
    in_first_stage(twin, "rolled back")
    bring_model_home(twin.world, MODEL, actor="ada", reason="stop")
    untried = twin.candidate("untried")
    winner = promoted(twin, "run-1", "enhanced")
    assert {stable.served_name, winner, untried.served_name} == twin.backend.served()


def test_what_is_to_be_tried_next_stays(twin: Twin) -> None:
    """The challenger, though it has been tried before."""
    twin.champion()
    rollout = in_first_stage(twin)
    bring_model_home(twin.world, MODEL, actor="ada", reason="stop")
    twin.registry.set_alias(rollout.candidate, "challenger")
    promoted(twin, "run-2", "enhanced")
    assert rollout.candidate.served_name in twin.backend.served()


def test_one_that_cannot_be_stopped_is_no_reason_to_fail(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rollout is promoted, and the next one tries again."""
    twin.champion()
    promoted(twin, "run-1")
    with monkeypatch.context() as hurt:
        hurt.setattr(twin.backend, "undeploy", _refuse)
        promoted(twin, "run-2")
        assert "baseline-predictor-v1" in twin.backend.served()
    assert ("baseline-predictor-v1",) == undeploy_old(twin.world, MODEL)


def _refuse(name: str) -> None:
    raise ServingError(f"{name} does not stop")


def test_a_person_stops_what_nothing_needs(twin: Twin) -> None:
    """By its served name; whoever has traffic, takes part or is not there is refused, with the reason."""
    twin.champion()
    idle = twin.candidate("idle")
    rollout = begun(twin)
    with pytest.raises(RolloutError, match=f"takes part in {rollout.id}"):
        undeploy(twin.world, rollout.candidate.served_name)
    with pytest.raises(RolloutError, match="once it has ended"):
        undeploy_old(twin.world, MODEL)
    undeploy(twin.world, idle.served_name)
    assert idle.served_name not in twin.backend.served()
    with pytest.raises(NotFoundError, match="served now: baseline-predictor-v1, lightweight-predictor-v3"):
        undeploy(twin.world, idle.served_name)
    bring_model_home(twin.world, MODEL, actor="ada", reason="stop")
    with pytest.raises(ServingError, match="is in use"):
        undeploy(twin.world, "baseline-predictor-v1")
