"""`firstflight plan`, as a person and a machine call it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from firstflight.cli.main import app


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file with the plan's defaults."""
    path = tmp_path / "plan.yaml"
    path.write_text("model: churn\n")
    return path


def test_it_shows_every_stage(file: Path) -> None:
    """A table of stages and guardrails, exit code 0."""
    result = CliRunner().invoke(app, ["plan", str(file), "--rate", "20"])
    assert 0 == result.exit_code
    assert all(f"{percent} %" in result.stdout for percent in (5, 10, 25, 50, 75, 100))


def test_it_refuses_a_stage_that_cannot_answer(file: Path) -> None:
    """Exit code 4, and a sentence that says which guardrail and what to do."""
    result = CliRunner().invoke(app, ["plan", str(file), "--rate", "0.2"])
    assert 4 == result.exit_code
    assert "cannot answer within the stage" in " ".join(result.stdout.split())


def test_machines_read_json(file: Path) -> None:
    """The same numbers as JSON, for a release plan too."""
    file.write_text(json.dumps({"canary": {"model": "churn", "stages": [10, 100], "approvals": []}}))
    result = CliRunner().invoke(app, ["plan", str(file), "--rate", "20", "--json", "--baseline", "error_rate=0.002"])
    assert [10, 100] == [stage["percent"] for stage in json.loads(result.stdout)]


@pytest.mark.parametrize("content", ["model: [", "stages: [5, 4]", "model: churn\nstages: [5, 4, 100]"])
def test_a_plan_that_is_not_valid_is_refused(file: Path, content: str) -> None:
    """Exit code 2 and the reason, no stack trace."""
    file.write_text(content)
    assert 2 == CliRunner().invoke(app, ["plan", str(file), "--rate", "20"]).exit_code


@pytest.mark.parametrize("baseline", ["error_rate", "error_rate=much", "error_rate=2"])
def test_a_baseline_is_a_share(file: Path, baseline: str) -> None:
    """Exit code 2 for anything else."""
    assert 2 == CliRunner().invoke(app, ["plan", str(file), "--rate", "20", "--baseline", baseline]).exit_code


def test_a_guardrail_is_changed_by_its_metric_and_the_others_stay(file: Path) -> None:
    """Of a plan that names none: the defaults apply, the changed one among them."""
    given = ["plan", str(file), "--rate", "20", "--json", "--set", "stages=[100]", "--set", "approvals=[]"]
    result = CliRunner().invoke(app, [*given, "--set", "guardrails.error_rate.limit=0.2"])
    (stage,) = json.loads(result.stdout)
    metrics = {each["metric"]: each["proof_minutes"] for each in stage["guardrails"]}
    (as_it_was,) = json.loads(CliRunner().invoke(app, given).stdout)
    before = {each["metric"]: each["proof_minutes"] for each in as_it_was["guardrails"]}
    assert before.keys() == metrics.keys()
    assert ["error_rate"] == [metric for metric in metrics if metrics[metric] != before[metric]]


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        ("stages", "is not PATH=VALUE"),
        ("guardrails.eror_rate.limit=1", "no eror_rate; there are error_rate, latency, accuracy, profit"),
        ("guardrails.error_rate=1", "name what of error_rate is to change"),
        ("stages=[5", "is no value"),
        ("stages.first=5", "stages: Input should be a valid tuple"),
        ("stage_second=5", "stage_second: Extra inputs are not permitted"),
        ("bake_seconds=-1", "bake_seconds: Input should be greater than or equal to 0"),
        ("stages=[5]", "the plan: stages (5,) must ascend and end at 100"),
    ],
)
def test_a_change_that_does_not_fit_is_refused(file: Path, change: str, wanted: str) -> None:
    """Exit code 2, with what is wrong and what there is."""
    result = CliRunner().invoke(app, ["plan", str(file), "--rate", "20", "--set", change])
    assert 2 == result.exit_code
    assert wanted in " ".join(result.output.split())


def test_it_shows_whether_the_policies_are_kept(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the place, and of the environment that the plan names; exit code 4 when it falls short of one."""
    kept = CliRunner().invoke(app, ["plan", str(file), "--rate", "20", "--set", "environment=production"])
    assert 0 == kept.exit_code
    assert "the policy of local, version 1" in kept.stdout
    assert "the policy of production, version 1" in kept.stdout
    monkeypatch.setenv("FIRSTFLIGHT_ENVIRONMENT", "production")
    short = CliRunner().invoke(app, ["plan", str(file), "--rate", "20", "--set", "approvals=[]"])
    assert 4 == short.exit_code
    assert "approvals [], wanted at least 1" in short.stdout


def test_a_block_that_outlasts_its_stage_is_told(file: Path) -> None:
    """Of a guardrail that only watches; one that has to be proven is refused with the reason."""
    given = ["plan", str(file), "--rate", "20", "--set", "guardrails.accuracy.block_seconds=86400"]
    refused = CliRunner().invoke(app, given)
    assert 2 == refused.exit_code
    assert "a block of 86,400 s is one observation" in " ".join(refused.output.split())
    told = CliRunner().invoke(app, [*given, "--set", "guardrails.accuracy.proves=false"])
    assert 0 == told.exit_code
    assert "accuracy: a block of 86,400 s does not close within a stage" in " ".join(told.stdout.split())
