"""`canary`, `ab-test` and `release`: what Prefect's form does, in one line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firstflight.cli import start as command
from firstflight.cli import watch as watching
from firstflight.domain.plans import ABTestPlan, CanaryPlan, ReleasePlan
from tests.unit.cli.doubles import RUN, Ledger, Prefect, flow_run

Firstflight = Callable[..., tuple[int, str, str]]
DEMO = str(Path(__file__).parents[3] / "deployments" / "plans" / "demo-release.yaml")


@pytest.fixture
def prefect(monkeypatch: pytest.MonkeyPatch, ledger: Ledger) -> Prefect:
    """A Prefect whose deployments begin with a plan of the model `m`, and whose run ends with its candidate at home."""
    server = Prefect(flow_run(name="RolledBack"), parameters={"plan": {"model": "m"}})
    monkeypatch.setattr(command, "Orchestrator", lambda *_: server)
    monkeypatch.setattr(watching, "open_store", lambda _: ledger)
    return server


def started(prefect: Prefect) -> tuple[str, Any]:
    """Return the deployment that was started and its plan."""
    ((deployment, parameters),) = prefect.started
    return deployment, parameters["plan"]


def test_a_guardrail_is_changed_and_a_canary_started(firstflight: Firstflight, prefect: Prefect) -> None:
    """In one line, from the deployment's own plan; the run and its page are named."""
    code, told, _ = firstflight("canary", "--set", "candidate=7", "--set", "guardrails.error_rate.limit=0.02")
    deployment, body = started(prefect)
    plan = CanaryPlan.model_validate(body)
    assert (0, "canary/canary", "m", 7) == (code, deployment, plan.model, plan.candidate)
    assert {"error_rate": 0.02, "latency": 200.0, "accuracy": None, "profit": None, "refused_rate": None} == {
        guardrail.metric: guardrail.limit for guardrail in plan.guardrails
    }
    assert f"run {RUN} (swift-lynx): http" in told
    assert f"follow it with `firstflight watch {RUN}`" in told


@pytest.mark.parametrize(
    ("words", "deployment", "kind"),
    [
        (("canary", DEMO), "canary/canary", CanaryPlan),
        (("ab-test", DEMO, "--set", "requests=5000"), "ab-test/ab-test", ABTestPlan),
        (("release", DEMO, "--set", "canary.guardrails.latency.limit=300"), "release/release", ReleasePlan),
    ],
)
def test_a_plan_comes_from_a_file(
    firstflight: Firstflight, prefect: Prefect, words: tuple[str, ...], deployment: str, kind: Any
) -> None:
    """A release's plan holds those of its parts; what is started is valid and whole."""
    assert 0 == firstflight(*words, "--json")[0]
    found, body = started(prefect)
    assert (deployment, body) == (found, kind.model_validate(body).model_dump(mode="json"))
    assert "financial-predictor" == (body if kind is not ReleasePlan else body["canary"])["model"]


def test_a_change_inside_a_release_is_where_it_was_wanted(firstflight: Firstflight, prefect: Prefect) -> None:
    """The canary's guardrail, not the A/B test's, though the file names both at once."""
    firstflight("release", DEMO, "--set", "canary.guardrails.latency.limit=300")
    _, body = started(prefect)
    limits = [
        {guardrail["metric"]: guardrail["limit"] for guardrail in body[part]["guardrails"]}["latency"]
        for part in ("ab_test", "canary")
    ]
    assert [200, 300] == limits


def test_watching_tells_the_end(firstflight: Firstflight, prefect: Prefect, ledger: Ledger) -> None:
    """With --watch the exit code is that of `watch`; machines read the run first, its records after it."""
    ledger.begin()
    ledger.bring_home("guard", "too many errors")
    code, told, _ = firstflight("canary", DEMO, "--watch", "--json")
    lines = [json.loads(line) for line in told.splitlines()]
    assert (4, RUN) == (code, lines[0]["run"])
    assert ["rollout.started", "rollback.intended", "rollout.rolled_back"] == [one["kind"] for one in lines[1:-1]]
    assert "RolledBack" == lines[-1]["state"]
    assert 1 == len(prefect.started)


def test_a_plan_that_is_not_valid_starts_nothing(firstflight: Firstflight, prefect: Prefect, tmp_path: Path) -> None:
    """Exit code 2 and what is wrong."""
    file = tmp_path / "plan.yaml"
    for content, wanted in {
        "- a list": "holds no plan: wanted names with values, found list",
        "model: [": "is neither YAML nor JSON",
        "model: 2026-99-99": "is neither YAML nor JSON: month must be in 1..12",
        f"candidate: {5000 * '9'}": "is neither YAML nor JSON: Exceeds the limit",
        "model: &m [*m]": "is neither YAML nor JSON",
        "a: &a [1,2,3,4,5,6,7,8,9]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
        "d: [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]": "it holds more than 10,000 values",
        "model: m\nstages: [50]": "is not a valid canary plan: the plan: stages (50,) must ascend and end at 100",
        "stages: [100]": "model: Field required",
    }.items():
        file.write_text(content)
        code, _, told = firstflight("canary", str(file))
        assert (2, True) == (code, wanted in " ".join(told.split())), told
    assert [] == prefect.started
