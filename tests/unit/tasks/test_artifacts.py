"""What a run leaves on Prefect's pages."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest
import yaml

from firstflight.acts.observe import peek, recall
from firstflight.decision.verdicts import Decision, MetricVerdict, Verdict
from firstflight.domain.plans import Guardrail
from tasks.artifacts import Progress, _introduction, decision_table
from tests.unit.acts.twin import PLAN, Twin, in_first_stage


def test_a_table_reads_as_the_report_does() -> None:
    """Shares in percent, distances in points, what was proven, evidence as odds."""
    row = MetricVerdict(
        metric="accuracy", status="proven", unit="share", stable=0.53, candidate=0.525, interval_of="difference",
        low=-0.031, high=0.034, margin=0.05, log_e_rollback=0.0, log_threshold_rollback=4.382,
        log_threshold_promote=3.0, n_stable=2000, n_candidate=1900,
    )  # fmt: skip
    assert [
        {
            "metric": "accuracy",
            "status": "proven",
            "meaning": "less than 5 points worse than stable",
            "stable": "53 %",
            "candidate": "52.5 %",
            "interval": "−3.1 to +3.4 points of the difference",
            "evidence of harm": "1 to 1, 80 to 1 needed",
            "requests or units": "2,000 / 1,900",
        }
    ] == decision_table(Decision(verdict=Verdict.PROMOTE, reasons=(), metrics=(row,)))


def test_the_runs_page_says_what_suspend_does(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who wants to hold a rollout reads there, before pressing it, for how long it does."""
    told: dict[str, str] = {}

    def create(_percent: float, *, key: str, description: str) -> UUID:
        told[key] = description
        return uuid4()

    monkeypatch.setattr("tasks.artifacts.create_progress_artifact", create)
    monkeypatch.setattr("tasks.artifacts.update_progress_artifact", lambda *_, **__: None)
    rollout = in_first_stage(twin)
    twin.wait(5)
    look, _, decision = peek(twin.world, rollout, PLAN, recall(twin.world, rollout, PLAN))
    Progress(rollout)._show(look, decision, decided=False)
    [description] = told.values()
    assert "Suspend holds this rollout" in description
    assert f"for {PLAN.approval_seconds:,.0f} s at most; then traffic goes home" in description
    assert "firstflight freeze --as YOU" in description
    assert (
        f"(http://127.0.0.1:4813/rollouts/{rollout.id}), while `firstflight open` runs on that machine" in description
    )


def test_a_run_in_a_cluster_links_to_no_page_of_this_machine(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads it there has none."""
    monkeypatch.setenv("FIRSTFLIGHT_WORK_POOL", "kubernetes")
    assert "firstflight open" not in _introduction(in_first_stage(twin))


def test_the_runs_page_says_what_no_stage_can_see(twin: Twin) -> None:
    """A block that outlasts a stage is named on the run's page from its first check on, as `firstflight plan` does."""
    rollout = in_first_stage(twin)
    watched = Guardrail(metric="brier", margin=0.1, proves=False, block_seconds=86_400)
    plan = PLAN.model_copy(update={"guardrails": (*PLAN.guardrails, watched)})
    said = "a block of 86,400 s does not close within a stage of"
    assert said in _introduction(rollout.model_copy(update={"plan": plan}))
    assert said not in _introduction(rollout)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("canary", "Suspend holds it where it stands, watched"),
        ("ab-test", "Suspend does not hold a test"),
        ("release", "Suspend holds its canary where it stands, watched"),
    ],
)
def test_a_deployments_page_says_so_too(name: str, said: str) -> None:
    """Whoever starts one sees what its buttons do."""
    deployments = yaml.safe_load((Path(__file__).parents[3] / "prefect.yaml").read_text())["deployments"]
    [found] = [one for one in deployments if one["name"] == name]
    assert said in found["description"]
