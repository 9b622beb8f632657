"""Our writes, against a real API server with Seldon's own CRDs. No operator, pod or image is needed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client

from firstflight.domain.errors import FieldConflictError, ModelNotReadyError, ServingError, StaleTokenError
from firstflight.domain.traffic import TrafficSplit
from firstflight.serving.preconditions import Fence
from firstflight.serving.seldon import experiments, models
from firstflight.serving.seldon.annotations import fence_of
from firstflight.serving.seldon.api import Api, Outdated
from firstflight.serving.seldon.artifacts import Stored
from firstflight.serving.seldon.backend import Patience, SeldonBackend
from firstflight.settings import Settings
from tests.real_cluster import named_cluster, own_namespace
from tests.serving_bench import MODEL, artifact

pytestmark = pytest.mark.cluster
STABLE, CANDIDATE = "baseline-predictor-v1", "enhanced-predictor-v2"
HALF = TrafficSplit.canary(STABLE, CANDIDATE, 50)
HOME = TrafficSplit.all_to(STABLE)


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    """A namespace of one's own, ended afterwards."""
    with own_namespace("firstflight") as name:
        yield name


@pytest.fixture
def api(namespace: str) -> Iterator[Api]:
    """A client of that namespace, which is empty after each test."""
    found = Api(named_cluster(), namespace)
    yield found
    for plural in ("experiments", "models"):
        for thing in found.list(plural):
            found.delete(plural, thing["metadata"]["name"])


def test_what_is_applied_is_read_back(api: Api, namespace: str) -> None:
    """The CRDs take every field we write, strictly; applying it again changes nothing."""
    manifest = experiments.manifest(MODEL, namespace, HALF, Fence(token=3), None)
    first = api.apply("experiments", manifest)
    assert HALF == experiments.declared(first)
    assert first["metadata"]["resourceVersion"] == api.apply("experiments", manifest)["metadata"]["resourceVersion"]
    assert [MODEL] == [one["metadata"]["name"] for one in api.list("experiments")]


def test_an_unknown_field_is_refused(api: Api, namespace: str) -> None:
    """Not pruned in silence."""
    manifest = experiments.manifest(MODEL, namespace, HALF, Fence(token=3), None)
    manifest["spec"]["outputs"] = []
    with pytest.raises(ServingError, match="outputs"):
        api.apply("experiments", manifest)


def test_a_version_that_moved_on_is_refused(api: Api, namespace: str) -> None:
    """The precondition that keeps an older driver from overwriting a newer one."""
    old = api.apply("experiments", experiments.manifest(MODEL, namespace, HALF, Fence(token=3), None))
    api.apply("experiments", experiments.manifest(MODEL, namespace, HALF, Fence(token=4), None))
    with pytest.raises(Outdated):
        api.apply(
            "experiments",
            experiments.manifest(MODEL, namespace, HOME, Fence(token=3), None),
            version=old["metadata"]["resourceVersion"],
        )


def test_a_field_of_somebody_else_is_a_conflict(api: Api, namespace: str) -> None:
    """And is not taken."""
    api.apply("experiments", experiments.manifest(MODEL, namespace, HALF, Fence(token=3), None), owner="somebody")
    with pytest.raises(FieldConflictError, match="somebody"):
        api.apply("experiments", experiments.manifest(MODEL, namespace, HOME, Fence(token=3), None))


def test_a_watch_tells_changes_and_forgotten_versions(api: Api, namespace: str) -> None:
    """From the version of a write on."""
    first = api.apply("experiments", experiments.manifest(MODEL, namespace, HALF, Fence(token=3), None))
    api.apply("experiments", experiments.manifest(MODEL, namespace, HALF, Fence(token=4), None))
    latest = next(api.watch("experiments", MODEL, first["metadata"]["resourceVersion"], 5))
    assert latest is not None
    assert Fence(token=4) == fence_of(latest)


def test_tokens_fence_with_and_without_an_experiment(api: Api, namespace: str, tmp_path: Path) -> None:
    """Without an operator no model is live, so each split is refused; its token counts all the same."""
    settings = Settings(backend="seldon", namespace=namespace)
    backend = SeldonBackend(settings, api=api, patience=Patience(model=1, split=1, answer=1, poll=0.05))
    for number, variant in enumerate(("baseline", "enhanced"), 1):
        version = artifact(tmp_path / variant, number, variant=variant)
        stored = Stored("s3://models/none", "model-storage")
        api.apply("models", models.manifest(version.served_name, namespace, version, stored))
    assert frozenset({STABLE, CANDIDATE}) == backend.served()
    for token in (5, 7):
        with pytest.raises(ModelNotReadyError, match="no live replica"):
            backend.set_traffic(MODEL, HALF, token)
        with pytest.raises(StaleTokenError):
            backend.set_traffic(MODEL, HALF, token - 1)
        if token == 5:
            api.apply("experiments", experiments.manifest(MODEL, namespace, HOME, Fence(token=6), None))


def test_an_api_that_is_not_there_is_an_outage(namespace: str) -> None:
    """Whatever the kubeconfig says."""
    nowhere = client.Configuration()
    nowhere.host, nowhere.retries = "http://127.0.0.1:9", False
    with pytest.raises(Exception, match="gave no whole answer"):
        Api(nowhere, namespace).list("models")
