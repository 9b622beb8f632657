"""What the serving contract promises, of MLflow models that are served from an environment of their own."""

import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
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
from tests.serving_bench import ROOT, serving_stack

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
    asked = ask(settings, [ages(20)], parameters={"otherwise": "silver", "trace": "t"})
    assert ["silver"] == asked.json()["outputs"][0]["data"]
    refused = ask(settings, [ages(20)], parameters={"otherwise": 3})
    assert (422, True) == (refused.status_code, "'otherwise' is 3, must be string" in refused.text)
    wanted = [("label", "BYTES", [2], ["gold", "none"]), ("sure", "FP64", [2], [0.2, 0.5])]
    assert wanted == [(one["name"], one["datatype"], one["shape"], one["data"]) for one in answer.json()["outputs"]]


BY_CONTENTS = """
import sys, grpc
from mlserver.grpc import dataplane_pb2 as pb
from mlserver.grpc.dataplane_pb2_grpc import GRPCInferenceServiceStub
asked = pb.ModelInferRequest(model_name="churn")
filled = (("age", "FP64", {"fp64_contents": [20, 50]}), ("plan", "BYTES", {"bytes_contents": [b"gold", b"tin"]}))
for name, datatype, contents in filled:
    asked.inputs.add(name=name, datatype=datatype, shape=[2], contents=pb.InferTensorContents(**contents))
infer = GRPCInferenceServiceStub(grpc.insecure_channel(sys.argv[1])).ModelInfer
answer, call = infer.with_call(asked, metadata=[("seldon-model", "churn")])
print([one.contents.bytes_contents or one.contents.fp64_contents for one in answer.outputs])
print(dict(call.initial_metadata())["x-prediction"])
"""


def test_both_are_asked_by_grpc_as_the_pages_say(settings: Settings, backend: LocalBackend) -> None:
    """The example of the page on one's own model as it stands there, and text in the protocol's own fields."""
    page = (ROOT / "docs" / "your-own-model.md").read_text(encoding="utf-8")
    [example] = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "tritonclient.grpc" in block]
    address = f"127.0.0.1:{settings.ports.gateway}"

    def printed(code: str) -> list[str]:
        command = [str(settings.serving_python), "-c", code, address]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()

    backend.set_traffic(MODEL, TrafficSplit.all_to(STABLE), next(TOKENS))
    assert ["[1, 0]"] == printed(example.replace("127.0.0.1:4800", address))
    backend.set_traffic(MODEL, TrafficSplit.canary(STABLE, CANDIDATE, 100), next(TOKENS))
    assert ["[[b'gold', b'tin'], [0.2, 0.5]]", '"gold"'] == printed(BY_CONTENTS)


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


@pytest.mark.parametrize(
    ("split", "sent", "status", "fault"),
    [
        (HALF, {"age": 0.0}, 500, "holds nan, which cannot be true"),
        (TrafficSplit.canary(CANDIDATE, STABLE, 50), {"age": 30.0, "plan": "gold"}, 422, "'plan' is not one of this"),
    ],
)
def test_beside_a_candidate_that_cannot_answer_the_stable_model_does(
    settings: Settings, backend: LocalBackend, split: TrafficSplit, sent: dict[str, Any], status: int, fault: str
) -> None:
    """One that says NaN, one whose signature does not fit the question: each fails by its own name, and no other."""
    backend.set_traffic(MODEL, split, next(TOKENS))
    types = {"age": "FP64", "plan": "BYTES"}
    inputs = [{"name": name, "shape": [1], "datatype": types[name], "data": [value]} for name, value in sent.items()]
    answers = [ask(settings, inputs) for _ in range(40)]
    found = {(one.headers["x-served-by"], one.status_code) for one in answers}
    [candidate] = {*split.weights} - {split.stable}
    assert {(split.stable, 200), (candidate, status)} == found
    assert {True} == {fault in one.text for one in answers if one.status_code == status}
    assert split == backend.get_traffic(MODEL)


def test_an_environment_that_cannot_be_made_leaves_the_rest_untouched(
    settings: Settings, backend: LocalBackend, tmp_path: Path
) -> None:
    """The installer's own words are told, nothing of it is served or kept, and the stable model answers."""
    split = backend.set_traffic(MODEL, TrafficSplit.all_to(STABLE), next(TOKENS))
    python_function(tmp_path / "broken", requirements=("firstflight-has-no-such-package==1",))
    broken = version_of(tmp_path / "broken", "custom", 3)
    with pytest.raises(ModelNotReadyError, match=rf"(?s){broken.served_name}.*cannot be made.*no-such-package"):
        backend.deploy(broken, tmp_path / "broken")
    assert {STABLE, CANDIDATE} == backend.served()
    assert 1 == len(environments(settings))
    assert split == backend.get_traffic(MODEL)
    assert STABLE == ask(settings, [ages(30)]).headers["x-model-version"]


def test_one_of_300_mb_that_does_not_load_in_time_is_taken_away_again(
    settings: Settings, backend: LocalBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said how long it took and had; all the while the stable model answers, and keeps its traffic.

    It reads all of it and then goes on loading for an hour: once it has begun that, the clock of who waits jumps.
    """
    split = backend.set_traffic(MODEL, TrafficSplit.all_to(STABLE), next(TOKENS))
    loading, answered = settings.home / "loading", list[str]()
    folder = python_function(tmp_path / "large")
    with (folder / "data" / "weights").open("wb") as weights:
        weights.truncate(300 << 20)
    code = folder / "code" / "churn_model.py"
    ends_at_once = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_DFL)"
    loads = f"assert len(open(path + '/weights', 'rb').read()) == 300 << 20; open({str(loading)!r}, 'w').close()"
    text = code.read_text(encoding="utf-8")
    code.write_text(
        text.replace("    return Model()", f"    {ends_at_once}\n    {loads}\n    time.sleep(3600)"), encoding="utf-8"
    )
    large = version_of(folder, "large", 5)

    def ask_meanwhile(_seconds: float) -> None:
        answered.append(ask(settings, [ages(30)]).headers["x-model-version"])

    clock = SimpleNamespace(sleep=ask_meanwhile, monotonic=lambda: time.monotonic() + 3600 * loading.exists())
    monkeypatch.setattr("firstflight.serving.local.backend.time", clock)
    with pytest.raises(
        ModelNotReadyError, match=r"large-predictor-v5.* not ready after 36\d\d s, it has 300 s to load"
    ):
        backend.deploy(large, folder)

    assert {STABLE} == {*answered}
    assert split == backend.get_traffic(MODEL)
    assert not (settings.home / "serving" / "models" / large.served_name).exists()
    assert {STABLE, CANDIDATE} == backend.served()


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
