"""What the serving contract promises, of MLflow models that are served from an environment of their own."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from firstflight.domain.errors import ModelNotReadyError
from firstflight.domain.traffic import TrafficSplit
from firstflight.serving import open_backend
from firstflight.serving.inference import headers
from firstflight.serving.local.backend import LocalBackend
from firstflight.settings import Settings
from tests.mlflow_bench import MODEL, python_function, scikit_learn, version_of
from tests.serving_bench import serving_stack

pytestmark = pytest.mark.local

STABLE, CANDIDATE = "sklearn-predictor-v1", "custom-predictor-v2"
HALF = TrafficSplit.canary(STABLE, CANDIDATE, 50)
TOKENS = iter(range(1, 1000))


@pytest.fixture(scope="module")
def settings() -> Iterator[Settings]:
    """A gateway, without models."""
    with serving_stack() as settings:
        yield settings


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scikit-learn model as `stable`, a custom one as `candidate`."""
    folder = tmp_path_factory.mktemp("models")
    scikit_learn(folder / "stable")
    python_function(folder / "candidate")
    return folder


@pytest.fixture(scope="module")
def backend(settings: Settings, folder: Path) -> LocalBackend:
    """A backend that serves both."""
    backend = open_backend(settings)
    assert isinstance(backend, LocalBackend)
    backend.deploy(version_of(folder / "stable", "sklearn", 1), folder / "stable")
    backend.deploy(version_of(folder / "candidate", "custom", 2), folder / "candidate")
    return backend


def ask(settings: Settings, inputs: list[dict[str, Any]], **more: Any) -> httpx.Response:
    """Ask the route."""
    url = f"{settings.gateway_url}/v2/models/{MODEL}/infer"
    content = json.dumps({"inputs": inputs, **more})
    return httpx.post(url, content=content, headers=headers(MODEL, "r"), trust_env=False, timeout=60)


def ages(*values: float | None) -> dict[str, Any]:
    """The tensor of a table's column."""
    return {"name": "age", "shape": [len(values), 1], "datatype": "FP64", "data": values}


def environments(settings: Settings) -> list[Path]:
    """Those that are there."""
    return [path for path in (settings.home / "serving" / "environments").iterdir() if path.is_dir()]


def test_both_are_served_with_their_digests_from_one_environment(
    settings: Settings, backend: LocalBackend, folder: Path
) -> None:
    """Equal requirements are made once; deploying again changes nothing; each says what it takes."""
    backend.deploy(version_of(folder / "stable", "sklearn", 1), folder / "stable")
    for name, source, variant in ((STABLE, "stable", "sklearn"), (CANDIDATE, "candidate", "custom")):
        assert backend.is_ready(name)
        assert version_of(folder / source, variant, 1).digest == backend.loaded_digest(name)
    assert 1 == len(environments(settings))
    backend.set_traffic(MODEL, TrafficSplit.all_to(STABLE), next(TOKENS))
    url = f"{settings.gateway_url}/v2/models/{MODEL}"
    described = httpx.get(url, headers=headers(MODEL, "r"), trust_env=False).json()
    assert [("age", "FP64", [-1])] == [(one["name"], one["datatype"], one["shape"]) for one in described["inputs"]]
    assert "sklearn" == described["parameters"]["variant"]


def test_labels_and_tables_are_answered_by_whom_the_split_chooses(settings: Settings, backend: LocalBackend) -> None:
    """A batch of classes from one, text and numbers from the other; the header holds the first, as JSON."""
    backend.set_traffic(MODEL, HALF, next(TOKENS))
    answers = [ask(settings, [ages(20, 50)], id="東京\n") for _ in range(40)]
    served = {answer.headers["x-model-version"]: answer for answer in answers}
    assert {STABLE, CANDIDATE} == set(served)
    said = {name: [output["data"] for output in answer.json()["outputs"]] for name, answer in served.items()}
    assert {STABLE: [[0, 1]], CANDIDATE: [["none", "none"], [0.2, 0.5]]} == said
    assert {STABLE: "0", CANDIDATE: '"none"'} == {name: one.headers["x-prediction"] for name, one in served.items()}
    assert not [value for answer in answers for value in answer.headers.values() if "東京" in value]

    backend.set_traffic(MODEL, TrafficSplit.canary(STABLE, CANDIDATE, 100), next(TOKENS))
    plan = {"name": "plan", "shape": [2], "datatype": "BYTES", "data": ["gold", None]}
    answer = ask(settings, [ages(20, 50), plan], parameters={"content_type": "pd"})

    assert ('"gold"', CANDIDATE) == (answer.headers["x-prediction"], answer.headers["x-model-version"])
    wanted = [("label", "BYTES", [2], ["gold", "none"]), ("sure", "FP64", [2], [0.2, 0.5])]
    assert wanted == [(one["name"], one["datatype"], one["shape"], one["data"]) for one in answer.json()["outputs"]]


@pytest.mark.parametrize(
    ("age", "fault"), [(0, "'sure' holds nan, which cannot be true"), (-1, "KeyError: 'no such age'")]
)
def test_what_the_model_cannot_say_is_its_failure(
    settings: Settings, backend: LocalBackend, age: float, fault: str
) -> None:
    """500, with the reason and whose it was; the next question is answered."""
    backend.set_traffic(MODEL, TrafficSplit.canary(STABLE, CANDIDATE, 100), next(TOKENS))
    answer = ask(settings, [ages(age)])
    assert (500, CANDIDATE) == (answer.status_code, answer.headers["x-served-by"])
    assert fault in answer.json()["error"]
    assert httpx.codes.OK == ask(settings, [ages(30)]).status_code


def test_a_question_that_does_not_fit_is_refused_with_every_fault(settings: Settings, backend: LocalBackend) -> None:
    """422, and the model goes on."""
    backend.set_traffic(MODEL, TrafficSplit.all_to(STABLE), next(TOKENS))
    sent = [{**ages(1), "datatype": "BYTES", "data": ["x"]}, {**ages(1), "name": "height"}]
    answer = ask(settings, sent)
    assert 422 == answer.status_code
    for fault in ("'age' has datatype BYTES, must be FP64", "'height' is not one of this model, it takes age"):
        assert fault in answer.json()["error"]
    assert 422 == ask(settings, [ages()]).status_code
    assert httpx.codes.OK == ask(settings, [ages(30)]).status_code


def test_an_environment_that_cannot_be_made_leaves_the_rest_untouched(
    settings: Settings, backend: LocalBackend, tmp_path: Path
) -> None:
    """The installer's own words are told, nothing of it is served or kept, and the stable model answers."""
    backend.set_traffic(MODEL, TrafficSplit.all_to(STABLE), next(TOKENS))
    python_function(tmp_path / "broken", requirements=("firstflight-has-no-such-package==1",))
    broken = version_of(tmp_path / "broken", "custom", 3)
    with pytest.raises(ModelNotReadyError, match=rf"(?s){broken.served_name}.*cannot be made.*no-such-package"):
        backend.deploy(broken, tmp_path / "broken")
    assert {STABLE, CANDIDATE} == backend.served()
    assert 1 == len(environments(settings))
    assert STABLE == ask(settings, [ages(30)]).headers["x-model-version"]


def test_a_changed_pickle_is_never_loaded(
    settings: Settings, backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its server looks at the digest itself: between copy and load somebody may have been there."""
    backend.undeploy(CANDIDATE)
    assert 1 == len(environments(settings)), "the stable model needs it"
    marker = settings.home / "ran"
    python_function(settings.home / "changed")
    version = version_of(settings.home / "changed", "custom", 4)
    code = settings.home / "changed" / "code" / "churn_model.py"
    code.write_text(f"open({str(marker)!r}, 'w')\n" + code.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr("firstflight.serving.local.backend.refuse_other_files", lambda *_: None)
    with pytest.raises(ModelNotReadyError, match="nothing of it was loaded"):
        backend.deploy(version, settings.home / "changed")
    assert not marker.exists()
