"""A policy is asked when a rollout begins and before each stage, and the ledger keeps which."""

from dataclasses import replace

import pytest

from firstflight.acts.enter_stage import enter_stage, pass_stage
from firstflight.acts.ledger_view import current
from firstflight.acts.start import resume_or_start
from firstflight.domain.errors import RolloutError
from firstflight.domain.plans import CanaryPlan
from firstflight.rollout.machine import Phase
from firstflight.rollout.policy import Policy, none_of
from firstflight.world import World
from tests.unit.acts.twin import AB_TEST, MODEL, PLAN, Twin, drive

STRICT = b'version = 4\nleast_approvals = 1\ngate = true\n[[guardrails]]\nmetric = "accuracy"\n'


def strict(twin: Twin, *, where: str = "production", content: bytes = STRICT) -> World:
    """A world whose policy of production asks something."""

    def policy(environment: str) -> Policy:
        return Policy.read(environment, content) if environment == "production" else none_of(environment)

    return replace(twin.world, environment=where, policy=policy)


@pytest.mark.parametrize("where", ["local", "production"])
def test_a_plan_that_falls_short_begins_nowhere(twin: Twin, where: str) -> None:
    """The place's policy and the named one's both hold; everything that is short is said, and nothing has moved."""
    twin.champion()
    before = twin.backend.get_traffic(MODEL)
    named = PLAN.model_copy(update={"candidate": twin.candidate().number, "environment": "production"})
    plan = named if where == "local" else named.model_copy(update={"environment": "local"})
    with pytest.raises(RolloutError) as refused:
        resume_or_start(strict(twin, where=where), plan, run="run-1")
    said = str(refused.value)
    assert "the policy of production, version 4 (sha256:" in said
    assert "approvals [], wanted at least 1" in said
    assert "guardrail accuracy is missing" in said
    assert current(twin.ledger, MODEL) is None
    assert before == twin.backend.get_traffic(MODEL)


def test_a_version_that_the_gate_refused_needs_a_waiver(twin: Twin) -> None:
    """Named by the plan it may be tried at home; in production only when the policy names it too."""
    twin.champion()
    refused = twin.register("lightweight", {"gate": "refused"})
    twin.backend.versions[refused.served_name] = refused
    plan = PLAN.model_copy(update={"candidate": refused.number})
    gated = b"version = 1\ngate = true\n"
    with pytest.raises(RolloutError, match="the offline gate has refused"):
        resume_or_start(strict(twin, content=gated), plan, run="run-1")
    waiver = f'[[waivers]]\nmodel = "{MODEL}"\nversion = {refused.number}\nby = "ada"\nreason = "incident 42"\n'
    assert resume_or_start(strict(twin, content=gated + waiver.encode()), plan, run="run-1")


def test_an_ab_test_is_held_to_it_too(twin: Twin) -> None:
    """It divides live traffic as well."""
    twin.champion()
    twin.candidate()
    with pytest.raises(RolloutError, match="guardrail accuracy is missing"):
        resume_or_start(strict(twin), AB_TEST, run="run-1")


def test_the_ledger_keeps_which_policies_were_asked(twin: Twin) -> None:
    """With version and digest: at the beginning, and at each stage as it is by then."""
    twin.champion()
    plan = PLAN.model_copy(update={"candidate": twin.candidate().number})
    world = strict(twin, content=b"version = 4\n")
    rollout = enter_stage(world, resume_or_start(world, plan, run="run-1"), 10)
    later = strict(twin, content=b"version = 5\n")
    enter_stage(later, pass_stage(later, rollout, ("good",)), 50)
    kept = {
        record.kind + str(record.body.get("stage", "")): [
            (one["environment"], one["version"], one["digest"][:7]) for one in record.body["policies"]
        ]
        for record in twin.ledger.read(f"rollout/{MODEL}")
        if "policies" in record.body
    }
    none = ("local", 1, "none")
    assert {
        "rollout.started": [("production", 4, "sha256:"), none],
        "stage.intended10": [("production", 4, "sha256:"), none],
        "stage.intended50": [("production", 5, "sha256:"), none],
    } == kept


def test_a_policy_that_has_become_stricter_lets_no_weight_be_raised(twin: Twin) -> None:
    """Or one that cannot be read any more: the rollout goes home, and says why."""
    twin.champion()
    plan = PLAN.model_copy(update={"candidate": twin.candidate().number})
    world = strict(twin, content=b"version = 4\n")
    rollout = enter_stage(world, resume_or_start(world, plan, run="run-1"), 10)
    ended = drive(strict(twin), pass_stage(world, rollout, ("good",)))
    assert Phase.ROLLED_BACK is ended.phase
    assert "before 50 %: no rollout of financial-predictor by this plan: the policy of production" in ended.reasons[0]
    assert rollout.home == twin.backend.get_traffic(MODEL)


def test_without_a_policy_everything_is_as_before(twin: Twin) -> None:
    """One's own machine asks nothing, whatever the plan."""
    twin.champion()
    plan = CanaryPlan.model_validate({**PLAN.model_dump(), "candidate": twin.candidate().number, "stages": [100]})
    assert Phase.PROMOTED is drive(twin.world, resume_or_start(twin.world, plan, run="run-1")).phase
