"""`firstflight train`: what it leaves in the registry is what the flow would leave."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from firstflight.cli import train as command
from firstflight.cli.main import app
from firstflight.domain.plans import TrainingPlan
from firstflight.domain.versions import PARAMETERS
from firstflight.registry.memory import MemoryRegistry
from firstflight.workloads.workload import GateResult, TrainedModel, Workload


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MemoryRegistry:
    """Train in no time what the plan asks for: the lightweight variant is refused by the gate."""

    def trained(_: Workload, plan: TrainingPlan, *__: object) -> tuple[TrainedModel, ...]:
        return tuple(made(plan, variant, tmp_path / variant) for variant in plan.variants)

    kept = MemoryRegistry()
    monkeypatch.setattr(Workload, "train", trained)
    monkeypatch.setattr(command, "MlflowRegistry", lambda _: kept)
    monkeypatch.setenv("FIRSTFLIGHT_HOME", str(tmp_path / "home"))
    return kept


def made(plan: TrainingPlan, variant: str, folder: Path) -> TrainedModel:
    """Return a variant whose only file is its name."""
    folder.mkdir()
    (folder / "model.onnx").write_text(variant)
    refused = ("worse",) if variant == "lightweight" else ()
    return TrainedModel(
        model=plan.model,
        variant=variant,
        artifact=folder,
        gate=GateResult(passed=not refused, reasons=refused),
        validation={},
        tags={"seed": str(plan.seed), "gate": "refused" if refused else "passed"},
        parameters=1234,
        shown={"AUC": "0.5000"},
    )


def test_what_is_registered_tells_its_cost_and_the_last_that_passed_is_the_challenger(registry: MemoryRegistry) -> None:
    """A version without its size would have no cost in an A/B test, and a release would register it again."""
    assert 0 == CliRunner().invoke(app, ["train"]).exit_code
    versions = registry.versions("financial-predictor")
    assert ["1234"] * 3 == [registry.tags(version)[PARAMETERS] for version in versions]
    assert "enhanced" == registry.get("financial-predictor", "challenger").variant


def test_a_plan_says_what_to_train(registry: MemoryRegistry, tmp_path: Path) -> None:
    """From a release's plan, with a value changed; machines read what was registered."""
    file = tmp_path / "release.yaml"
    file.write_text("training: {model: mine, variants: [baseline, lightweight]}\ncanary: {model: mine}\n")
    words = ["--plan", str(file), "--set", "seed=11", "--epochs", "2", "--json"]
    result = CliRunner().invoke(app, ["train", *words])
    assert 0 == result.exit_code
    told = [(one["version"]["variant"], one["passed"]) for one in json.loads(result.stdout)]
    assert [("baseline", True), ("lightweight", False)] == told
    assert "11" == registry.tags(registry.get("mine", 1))["seed"]


def test_a_plan_that_is_not_valid_is_refused_before_anything_is_trained(registry: MemoryRegistry) -> None:
    """Exit code 2, with what is wrong."""
    result = CliRunner().invoke(app, ["train", "--set", "max_epochs=0"])
    assert 2 == result.exit_code
    assert "max_epochs: Input should be greater than or equal to 1" in " ".join(result.output.split())
    assert () == registry.versions("financial-predictor")
