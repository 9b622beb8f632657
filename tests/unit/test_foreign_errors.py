"""No other library's exception crosses a client: each library's tree is mapped, as it is installed here."""

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3.exceptions
import botocore.exceptions
import httpx
import psycopg
import pytest
import requests
import slack_sdk.errors
import urllib3
from kubernetes import client as kubernetes_client
from kubernetes import config as kubernetes_config
from mlflow import exceptions as mlflow_exceptions
from pydantic import SecretStr

from firstflight.domain.errors import FirstflightError, RegistryRefusedError
from firstflight.domain.versions import ModelVersion
from firstflight.ledger.sql import SqlRecordStore
from firstflight.notify.messages import Message
from firstflight.notify.slack import SlackNotifier
from firstflight.observation import prometheus_api
from firstflight.observation.database import Database
from firstflight.orchestrator import Orchestrator
from firstflight.registry import mlflow_client
from firstflight.registry.mlflow_rest import MlflowRest
from firstflight.serving.inference import predict
from firstflight.serving.seldon.api import Api
from firstflight.serving.seldon.artifacts import Storage, is_there
from firstflight.serving.seldon.configuration import configuration

NOWHERE = "http://127.0.0.1:9"


def tree(module: ModuleType, *roots: type[BaseException]) -> list[type[BaseException]]:
    """Return every exception that `module` has to offer below `roots`."""
    found = {one for one in vars(module).values() if inspect.isclass(one) and issubclass(one, roots)}
    return sorted(found, key=lambda one: one.__name__)


def made(kind: type[BaseException]) -> BaseException:
    """An instance, however the library makes them."""
    error = kind.__new__(kind)
    error.args = ("the library's own words",)
    return error


HTTPX = tree(httpx, httpx.RequestError, httpx.InvalidURL)
PSYCOPG = [*tree(psycopg, psycopg.Error), *tree(psycopg.errors, psycopg.Error)]


@pytest.mark.parametrize("kind", HTTPX, ids=lambda kind: kind.__name__)
def test_httpx(kind: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    """Prefect, MLflow, Prometheus and the gateway, whatever httpx raises."""

    def fail(*_: object, **__: object) -> None:
        raise made(kind)

    monkeypatch.setattr(httpx, "request", fail)
    monkeypatch.setattr(httpx.Client, "get", fail)
    monkeypatch.setattr(httpx.Client, "post", fail)
    monkeypatch.setattr(prometheus_api, "_PAUSES", ())
    asked: tuple[Callable[[], object], ...] = (
        Orchestrator(f"{NOWHERE}/api").suspended,
        lambda: MlflowRest(NOWHERE).get("x"),
        lambda: predict(NOWHERE, "m", {}, unit="u"),
        lambda: prometheus_api.PrometheusApi(NOWHERE).read("query", {}, lambda data: data),
    )
    for ask in asked:
        with pytest.raises(FirstflightError):
            ask()


@pytest.mark.parametrize("kind", PSYCOPG, ids=lambda kind: kind.__name__)
def test_psycopg(kind: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ledger and prediction store, whatever the database says."""

    def fail(*_: object, **__: object) -> None:
        raise made(kind)

    monkeypatch.setattr(psycopg, "connect", fail)
    with pytest.raises(FirstflightError):
        SqlRecordStore("postgresql:///nowhere").head("s")
    with pytest.raises(FirstflightError), Database("postgresql:///nowhere").connection():
        pass


MLFLOW = [
    *tree(mlflow_exceptions, mlflow_exceptions.MlflowException),
    *tree(requests.exceptions, requests.RequestException),
    *tree(urllib3.exceptions, urllib3.exceptions.HTTPError),
]


@pytest.mark.parametrize("kind", MLFLOW, ids=lambda kind: kind.__name__)
def test_mlflow(kind: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    """Files into MLflow and out of it."""
    monkeypatch.setattr(mlflow_client, "_knock", lambda _: None)
    error = made(kind)
    told = {"error_code": "INVALID_PARAMETER_VALUE", "message": "not so", "length": 1, "partial": 0, "expected": 2}
    vars(error).update(told)  # what they say of themselves
    with pytest.raises(FirstflightError), mlflow_client.answering(NOWHERE):
        raise error


def test_a_refusal_of_mlflows_is_one_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its code: asking again would not help."""
    monkeypatch.setattr(mlflow_client, "_knock", lambda _: None)
    body = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no such run"}
    with pytest.raises(RegistryRefusedError, match="no such run") as refused, mlflow_client.answering(NOWHERE):
        raise mlflow_exceptions.RestException(body)
    assert "RESOURCE_DOES_NOT_EXIST" == refused.value.code


KUBERNETES = [
    *tree(kubernetes_client.exceptions, kubernetes_client.exceptions.OpenApiException),
    *tree(urllib3.exceptions, urllib3.exceptions.HTTPError),
]


@pytest.mark.parametrize("kind", KUBERNETES, ids=lambda kind: kind.__name__)
def test_kubernetes(kind: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    """Models, splits and leases of a cluster: each verb, and a watch that cannot begin."""

    def fail(*_: object, **__: object) -> None:
        error = made(kind)
        vars(error).update({"length": 1, "partial": 0, "expected": 2, "response": None})  # what they say of themselves
        raise error

    monkeypatch.setattr(kubernetes_client.ApiClient, "call_api", fail)
    api = Api(kubernetes_client.Configuration(host=NOWHERE), "here")
    asked: tuple[Callable[[], object], ...] = (
        lambda: api.list("models"),
        lambda: api.get("models", "m"),
        lambda: api.create("leases", {"metadata": {"name": "m"}}),
        lambda: api.replace("leases", {"metadata": {"name": "m"}}),
        lambda: api.apply("models", {"metadata": {"name": "m"}}),
        lambda: api.delete("models", "m"),
        lambda: api.read("/version"),
        lambda: list(api.watch("models", "m", "1", 1)),
    )
    for ask in asked:
        with pytest.raises(FirstflightError):
            ask()


@pytest.mark.parametrize(
    "kind", tree(kubernetes_config, kubernetes_config.ConfigException), ids=lambda kind: kind.__name__
)
def test_a_kubeconfig(kind: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    """Which cluster, and as whom."""

    def fail(*_: object, **__: object) -> None:
        raise made(kind)

    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(kubernetes_config, "load_kube_config", fail)
    with pytest.raises(FirstflightError):
        configuration()


BOTO = [
    *tree(botocore.exceptions, botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError),
    *tree(boto3.exceptions, boto3.exceptions.Boto3Error),
]


@pytest.mark.parametrize("kind", BOTO, ids=lambda kind: kind.__name__)
def test_boto(kind: type[BaseException], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The bucket, as it is written, and as the doctor asks it."""

    def fail(*_: object, **__: object) -> None:
        error = made(kind)
        error.response = {"ResponseMetadata": {"HTTPStatusCode": 403}}  # type: ignore[attr-defined]  # as a ClientError has
        raise error

    monkeypatch.setattr(boto3, "client", fail)
    version = ModelVersion(model="m", number=1, digest="sha256:" + 64 * "0", variant="baseline")
    with pytest.raises(FirstflightError):
        Storage("bucket", "s3", "secret").put("m-v1", version, tmp_path)
    with pytest.raises(FirstflightError):
        is_there("s3://bucket/m", {})


@pytest.mark.parametrize(
    "kind", tree(slack_sdk.errors, slack_sdk.errors.SlackClientError), ids=lambda kind: kind.__name__
)
def test_slack(kind: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that is not taken."""

    def fail(*_: object, **__: object) -> None:
        error = made(kind)
        error.response = _Response()  # type: ignore[attr-defined]
        raise error

    monkeypatch.setattr("slack_sdk.WebClient.chat_postMessage", fail)
    message = Message(kind="promoted", model="m", rollout="m-r1", headline="m")
    with pytest.raises(FirstflightError):
        SlackNotifier(SecretStr("xoxb-1"), "#c", NOWHERE).send(message)


class _Response:
    status_code = 500

    def get(self, _name: str) -> None:
        """Nothing."""


def test_who_is_not_prefect_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sign-in page of a proxy, answered 200."""
    page = httpx.Response(200, text="<html>sign in</html>", request=httpx.Request("GET", NOWHERE))
    monkeypatch.setattr(httpx, "request", lambda *_, **__: page)
    with pytest.raises(FirstflightError, match="is not Prefect"):
        Orchestrator(f"{NOWHERE}/api").suspended()


def everything() -> Iterator[Any]:
    """The trees this module maps."""
    yield from (HTTPX, PSYCOPG, MLFLOW, KUBERNETES, BOTO)


def test_the_trees_are_not_empty() -> None:
    """A library that moved its exceptions would leave nothing to map."""
    assert all(len(one) > 10 for one in everything())
