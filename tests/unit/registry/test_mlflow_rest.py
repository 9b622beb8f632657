"""MLflow over REST: what its answers mean, who asks. Of a real server: tests/contract/test_model_registry.py."""

import json
import math
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from firstflight.domain.errors import RegistryRefusedError, RegistryUnavailableError
from firstflight.domain.versions import ModelVersion
from firstflight.registry.mlflow_registry import MlflowRegistry
from firstflight.registry.mlflow_rest import MlflowRest
from firstflight.registry.mlflow_tracker import MlflowTracker

VERSION = ModelVersion(model="m", variant="v", number=1, digest=f"sha256:{1:064x}")
Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> Callable[[Answer], None]:
    """Have a function answer all requests."""

    def by(answer: Answer) -> None:
        def request(method: str, url: str, *, verify: ssl.SSLContext, **given: Any) -> httpx.Response:
            del verify  # nothing goes over a wire
            with httpx.Client(transport=httpx.MockTransport(answer)) as client:
                return client.request(method, url, **given)

        monkeypatch.setattr(httpx, "request", request)

    return by


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, '{"error_code": "INTERNAL_ERROR", "message": "no database"}'),
        (400, '{"error_code": "TEMPORARILY_UNAVAILABLE"}'),
        (429, "slowly"),
        (502, "<html>bad gateway</html>"),
        (200, "<html>a login page</html>"),
    ],
)
def test_what_may_succeed_later_is_an_outage(answered: Callable[[Answer], None], status: int, body: str) -> None:
    """A server that fails, is busy, or is not MLflow at all; the message names the address."""
    answered(lambda _: httpx.Response(status, text=body))
    with pytest.raises(RegistryUnavailableError, match="MLflow at http://there to x"):
        MlflowRest("http://there").get("x")


def test_a_refusal_keeps_its_code(answered: Callable[[Answer], None]) -> None:
    """Asking again would not help, so it is no outage."""
    answered(lambda _: httpx.Response(400, json={"error_code": "INVALID_PARAMETER_VALUE", "message": "not so"}))
    with pytest.raises(RegistryRefusedError, match="INVALID_PARAMETER_VALUE not so") as refused:
        MlflowRest("http://there").post("x", name="m")
    assert "INVALID_PARAMETER_VALUE" == refused.value.code


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, None),
        ({"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "word"}, "Basic bWU6d29yZA=="),
        ({"MLFLOW_TRACKING_TOKEN": "secret"}, "Bearer secret"),
    ],
)
def test_users_are_named_as_to_mlflows_own_client(
    answered: Callable[[Answer], None], monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], wanted: str | None
) -> None:
    """By the same environment variables, so that files and questions reach the same server."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    seen: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("authorization"))
        return httpx.Response(200, json={})

    answered(answer)
    MlflowRest("http://there").get("x")
    assert [wanted] == seen


def test_an_experiment_that_somebody_else_makes_meanwhile_is_his(answered: Callable[[Answer], None]) -> None:
    """Two trainings that begin at once share it."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path.rpartition("/")[2])
        if asked[-1] == "create":
            return httpx.Response(400, json={"error_code": "RESOURCE_ALREADY_EXISTS"})
        if "create" in asked:
            return httpx.Response(200, json={"experiment": {"experiment_id": "7"}})
        return httpx.Response(404, json={"error_code": "RESOURCE_DOES_NOT_EXIST"})

    answered(answer)
    assert "7" == MlflowRest("http://there").make_experiment("m")
    assert ["get-by-name", "create", "get-by-name"] == asked


def test_figures_that_are_not_finite_are_sent_as_words_and_no_request_is_too_long(
    answered: Callable[[Answer], None],
) -> None:
    """A training that diverges is seen to, also after an outage of many epochs."""
    sent: list[list[Any]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content or "{}")
        sent.append([metric["value"] for metric in body.get("metrics", [])])
        return httpx.Response(200, json={"experiment": {"experiment_id": "1"}, "run": {"info": {"run_id": "r"}}})

    answered(answer)
    run = MlflowTracker("http://there").start("m", "v", {}, {})
    sent.clear()
    run.log_figures({"a": math.nan, "b": -math.inf, "c": 0.5})
    run.log_figures({f"figure-{number}": number for number in range(1001)})
    assert ["NaN", "-Infinity", 0.5] == sent[0]
    assert [1000, 1] == [len(metrics) for metrics in sent[1:]]


def test_whatever_is_asked_of_nobody_is_an_outage(tmp_path: Path) -> None:
    """Each question fails in the library's own words, and names the address."""
    (tmp_path / "model.onnx").write_bytes(b"a model")
    registry = MlflowRegistry("http://127.0.0.1:9")
    for ask in (
        lambda: registry.register("m", "v", tmp_path, {}),
        lambda: registry.get("m", 1),
        lambda: registry.set_alias(VERSION, "champion"),
        lambda: registry.versions("m"),
        lambda: registry.tags(VERSION),
        lambda: registry.fetch(VERSION, tmp_path),
    ):
        with pytest.raises(RegistryUnavailableError, match=r"nobody answers .*127\.0\.0\.1:9"):
            ask()


@pytest.mark.parametrize(
    "ask",
    [
        lambda path: MlflowTracker("http://there").start("financial", "baseline", {"at": str(path)}, {}),
        lambda path: MlflowRegistry("http://there").register("financial", "baseline", path, {}),
    ],
    ids=["training", "registering"],
)
def test_a_deleted_experiment_is_named_with_its_restore(
    answered: Callable[[Answer], None], tmp_path: Path, ask: Callable[[Path], object]
) -> None:
    """Before a run is opened or a file sent: MLflow gives it by its name, and takes nothing for it."""
    (tmp_path / "model.onnx").write_bytes(b"a model")
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path.partition("mlflow/")[2])
        deleted = {"experiment_id": "7", "name": "financial", "lifecycle_stage": "deleted"}
        return httpx.Response(200, json={"experiment": deleted} if "experiments" in asked[-1] else {})

    answered(answer)
    with pytest.raises(RegistryRefusedError) as refused:
        ask(tmp_path)
    said = str(refused.value)
    assert "experiment 'financial' (id 7) was deleted" in said
    assert "MLFLOW_TRACKING_URI=http://there mlflow experiments restore --experiment-id 7" in said
    assert "experiments/get-by-name" == asked[-1]
