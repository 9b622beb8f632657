"""What an environment asks of every plan, and whom it lets through the gate."""

import re
from pathlib import Path

import pytest
import yaml

from firstflight.domain.errors import RolloutError
from firstflight.domain.plans import ABTestPlan, CanaryPlan, ReleasePlan
from firstflight.domain.versions import ModelVersion
from firstflight.rollout.policy import Policy, environments_of, none_of
from firstflight.settings import Settings
from firstflight.world import read_policy

ROOT = Path(__file__).parents[3]
PRODUCTION = read_policy(Settings(project=ROOT), "production")
VERSION = ModelVersion(model="m", variant="baseline", number=7, digest=f"sha256:{'0' * 64}")


def test_the_defaults_may_go_to_production() -> None:
    """Whoever changes nothing falls short of nothing."""
    assert () == PRODUCTION.faults(CanaryPlan(model="m"))
    assert () == PRODUCTION.faults(ABTestPlan(model="m"))


@pytest.mark.parametrize("file", sorted((ROOT / "deployments" / "plans").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_plan_of_the_project_may_run_at_home(file: Path) -> None:
    """The demo's plan is no production plan, and its environment does not say so."""
    plan = ReleasePlan.model_validate(yaml.safe_load(file.read_text()))
    local = read_policy(Settings(project=ROOT), "local")
    assert () == local.faults(plan.canary) + local.faults(plan.ab_test)
    assert ("local",) == environments_of(plan.canary, "local")


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"approvals": ()}, r"approvals \[\], wanted at least 1"),
        ({"stages": (50, 100)}, r"stages \[50, 100\], wanted at least 3"),
        ({"stages": (50, 75, 100)}, "the first stage has 50 %, wanted at most 25 %"),
        ({"guardrails": [{"metric": "error_rate", "limit": 0.01}]}, "guardrail latency is missing"),
        (
            {"guardrails": [{"metric": "error_rate", "limit": 0.9}]},
            "guardrail error_rate: limit is 0.9, wanted at most 0.05",
        ),
        (
            {"guardrails": [{"metric": "error_rate", "margin": 0.05}]},
            "guardrail error_rate: limit is not set, wanted at most 0.05",
        ),
        (
            {"guardrails": [{"metric": "error_rate", "limit": 0.01, "direction": "higher_is_better"}]},
            "direction is higher_is_better, wanted lower_is_better",
        ),
        ({"guardrails": [{"metric": "error_rate", "limit": 0.01, "proves": False}]}, "proves is False, wanted True"),
        (
            {"guardrails": [{"metric": "latency", "limit": 200, "quantile": 0.5}]},
            "guardrail latency: quantile is 0.5, wanted at least 0.9",
        ),
        (
            {"stage_seconds": 200, "min_stage_seconds": 60},
            "stage_seconds is 200, wanted at least 300 and at most 86400",
        ),
        ({"min_stage_seconds": 0}, "min_stage_seconds is 0, wanted at least 60"),
        ({"bake_seconds": 0}, "bake_seconds is 0"),
        ({"approval_seconds": 100_000}, "approval_seconds is 100000"),
        ({"no_data_seconds": 5000}, "no_data_seconds is 5000"),
        ({"alpha_rollback": 1e-9}, "alpha_rollback is 1e-09"),
    ],
)
def test_a_plan_that_falls_short_is_told_in_what(changes: dict[str, object], fault: str) -> None:
    """Each fault names what is there and what is wanted."""
    plan = CanaryPlan.model_validate({"model": "m", "approvals": [100], **changes})
    assert any(re.search(fault, one) for one in PRODUCTION.faults(plan)), PRODUCTION.faults(plan)


def test_an_ab_test_is_held_to_guardrails_and_times() -> None:
    """It has no stages; what it has of the rest is asked by its own names."""
    plan = ABTestPlan.model_validate({"model": "m", "seconds": 100, "guardrails": [{"metric": "profit", "limit": 1}]})
    faults = PRODUCTION.faults(plan)
    assert "seconds is 100, wanted at least 300 and at most 86400" in faults
    assert "guardrail error_rate is missing" in faults


def test_the_gate_is_passed_or_waived_by_name() -> None:
    """A refused version, and one nobody judged, need a waiver, which says who and why."""
    assert "" == PRODUCTION.gate_fault(VERSION, {"gate": "passed"})
    assert "the offline gate has refused m:7" in PRODUCTION.gate_fault(VERSION, {"gate": "refused"})
    assert "not judged" in PRODUCTION.gate_fault(VERSION, {})
    waived = b'version = 2\ngate = true\n[[waivers]]\nmodel = "m"\nversion = 7\nby = "ada"\nreason = "incident 42"\n'
    assert "" == Policy.read("production", waived).gate_fault(VERSION, {"gate": "refused"})
    assert "" == none_of("local").gate_fault(VERSION, {"gate": "refused"})


def test_a_policy_has_a_version_and_the_digest_of_its_file() -> None:
    """What the ledger keeps tells which one was asked; a blank more is another."""
    one, other = (Policy.read("staging", content) for content in (b"version = 3", b"version = 3\n"))
    assert {"environment": "staging", "version": 3, "digest": one.digest} == one.identity
    assert one.digest != other.digest
    assert one.digest.startswith("sha256:")


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (None, "production.toml is missing"),
        ("version = ", "holds no policy of production"),
        ("version = 1\nleast_aprovals = 1", "least_aprovals"),
        ("version = 1\n[bounds]\nweeks = { least = 1 }", "bounds of .*weeks.*, which no plan has"),
        ("least_stages = 2", "version"),
    ],
)
def test_without_a_policy_that_can_be_read_nothing_is_allowed(tmp_path: Path, content: str | None, wrong: str) -> None:
    """Outside one's own machine; there, none is needed."""
    settings = Settings(project=tmp_path)
    if content is not None:
        settings.policy_file("production").parent.mkdir(parents=True)
        settings.policy_file("production").write_text(content)
    with pytest.raises(RolloutError, match=wrong):
        read_policy(settings, "production")
    assert () == read_policy(settings, "local").faults(CanaryPlan(model="m", stages=(100,), approvals=()))


def test_a_plan_is_held_to_the_place_and_to_what_it_names() -> None:
    """Nobody escapes production's policy by leaving the word out, nor means it where it is not asked."""
    assert ("production", "local") == environments_of(CanaryPlan(model="m"), "production")
    assert ("local", "production") == environments_of(CanaryPlan(model="m", environment="production"), "local")
    assert ("staging",) == environments_of(ABTestPlan(model="m"), "staging")
