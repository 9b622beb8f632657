"""Models as teams have them: what each lacks to be served, and what becomes of one that lacks nothing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from firstflight.acts.adopt import Adopted, adopt
from firstflight.acts.policy import refuse_by_policy
from firstflight.domain.errors import AdoptionRefusedError, RolloutError
from firstflight.domain.plans import CanaryPlan
from firstflight.rollout.machine import Arms
from firstflight.rollout.policy import Policy, Waiver
from firstflight.world import World
from tests.mlflow_bench import MODEL, described, python_function
from tests.unit.acts.twin import Twin

PYTHON = "3.11"
GATED = Policy(environment="local", digest="d", version=1, gate=True)


def onnx(folder: Path, *, loader: str = "mlflow.onnx", **changes: Any) -> Path:
    """Write a model of the one flavour that holds no code."""
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"a network")
    flavors = {"python_function": {"loader_module": loader, "data": "model.onnx"}, "onnx": {"data": "model.onnx"}}
    return described(folder, flavors, **{"requirements": ("mlflow==3.1", "onnx"), "python": "3.11.7", **changes})


def take(world: World, folder: Path, **changes: Any) -> Adopted:
    """Adopt what lies in `folder`."""
    given = {
        "address": f"models:/{MODEL}/7",
        "model": MODEL,
        "variant": "gbm",
        "by": None,
        "trust_code": False,
        "python": PYTHON,
    }
    return adopt(world, folder, **{**given, **changes})


def test_the_first_is_champion_and_the_next_challenger(twin: Twin, tmp_path: Path) -> None:
    """Each with its files, a card, and where it came from; adopted again it is the same."""
    first = take(twin.world, onnx(tmp_path / "1"))
    second = take(twin.world, onnx(tmp_path / "2", requirements=("onnx==1.2",)), address="runs:/1/model")
    assert ("champion", "challenger") == (first.alias, second.alias)
    assert (1, 2, MODEL, "gbm") == (
        *(first.version.number, second.version.number),
        *(first.version.model, first.version.variant),
    )
    tags = {"adopted_from": f"models:/{MODEL}/7", "flavors": "onnx, python_function"}
    assert tags == twin.world.registry.tags(first.version)
    kept = twin.world.registry.fetch(first.version, tmp_path / "kept")
    assert {"MLmodel", "model.onnx", "requirements.txt", "input_example.json", "model_card.md"} == {
        path.name for path in kept.iterdir()
    }
    assert "| age | FP64 | [-1] |" in (kept / "model_card.md").read_text(encoding="utf-8")
    assert first == take(twin.world, tmp_path / "1")


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"inputs": None}, ["infer_signature"]),
        ({"inputs": [{"type": "map", "name": "m"}]}, ["column 'm' is of type map"]),
        ({"example": False}, ["input_example="]),
        ({"python": "3.12.1"}, ["made on Python 3.12, model servers here have 3.11", "SERVING_PYTHON=3.12"]),
        ({"loader": "mlflow.sklearn"}, ["as a pickle does", "--trust-code --as NAME"]),
        ({"requirements": ("onnx", "evil==1")}, ["'evil==1'", "--trust-code"]),
        ({"requirements": ("onnx @ https://e.org/onnx.whl",)}, ["https://e.org", "--trust-code"]),
        ({"requirements": ("--index-url https://e.org",)}, ["--index-url", "--trust-code"]),
        (
            {"inputs": None, "example": False, "python": "3.9.1", "loader": "mlflow.sklearn"},
            ["infer_signature", "input_example=", "Python 3.9", "--trust-code"],
        ),
    ],
)
def test_all_that_is_missing_is_said_with_how_to_mend_it(
    twin: Twin, tmp_path: Path, changes: dict[str, Any], faults: list[str]
) -> None:
    """At once, and nothing is registered."""
    with pytest.raises(AdoptionRefusedError) as refused:
        take(twin.world, onnx(tmp_path / "model", **changes))
    assert [] == [fault for fault in faults if fault not in str(refused.value)]
    assert () == twin.world.registry.versions(MODEL)


def test_code_is_run_for_nobody_but_who_says_so_by_name(twin: Twin, tmp_path: Path) -> None:
    """A custom model brings code; who trusts it is kept."""
    folder = python_function(tmp_path / "model", python="3.11.1")
    with pytest.raises(AdoptionRefusedError, match="brings code of its own"):
        take(twin.world, folder)
    version = take(twin.world, folder, by="ann", trust_code=True).version
    assert "ann" == twin.world.registry.tags(version)["code_trusted_by"]


@pytest.mark.parametrize(
    ("flavors", "fault"),
    [
        (None, "no MLflow model"),
        ({"mleap": {}}, "cannot be loaded by Python"),
        ({"python_function": {"loader_module": "mlflow.spark"}, "spark": {}}, "needs Java"),
    ],
)
def test_what_no_server_can_load_is_refused(
    twin: Twin, tmp_path: Path, flavors: dict[str, Any] | None, fault: str
) -> None:
    """By what it says of itself, without loading it."""
    folder = onnx(tmp_path / "model")
    (folder / "MLmodel").write_text("]" if flavors is None else yaml.safe_dump({"flavors": flavors}), encoding="utf-8")
    with pytest.raises(AdoptionRefusedError, match=fault):
        take(twin.world, folder)


def test_where_the_gate_is_asked_for_nothing_goes_on_without_a_waiver(twin: Twin, tmp_path: Path) -> None:
    """It is registered, and neither champion nor challenger nor candidate; once waived, it is."""
    world = replace(twin.world, policy=lambda _: GATED)
    version = take(world, onnx(tmp_path / "model")).version
    adopted = take(world, tmp_path / "model")
    assert (None, True) == (adopted.alias, "the offline gate has not judged" in adopted.why)
    assert {} == world.registry.aliases(MODEL)
    plan = CanaryPlan.model_validate({"model": MODEL, "stages": [10, 50, 100]})
    arms = Arms(stable=version, candidates=(version,))
    with pytest.raises(RolloutError, match="has not judged"):
        refuse_by_policy(world, plan, arms)

    waiver = Waiver(model=MODEL, version=version.number, by="ann", reason="judged by its team")
    waived = replace(twin.world, policy=lambda _: GATED.model_copy(update={"waivers": (waiver,)}))

    assert "champion" == take(waived, tmp_path / "model").alias
    refuse_by_policy(waived, plan, arms)


def test_a_champion_of_somebody_elses_is_not_taken_over(
    twin: Twin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An alias in MLflow that names a version which is not served here; unless it is that which is adopted."""
    monkeypatch.setattr(type(twin.world.registry), "aliases", lambda *_: {"champion": 7})
    folder = onnx(tmp_path / "model")
    adopted = take(twin.world, folder, address=f"models:/{MODEL}/6")
    assert (None, True) == (adopted.alias, "names version 7, which was not adopted" in adopted.why)
    assert "champion" == take(twin.world, folder, address=f"models:/{MODEL}@champion").alias
