"""A network, a scikit-learn and a custom model through Seldon: what is asked of it, and what its servers then find."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pytest

from firstflight.domain.digest import folder_digest
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.versions import ModelVersion
from firstflight.serving.runtime import PREDICTOR
from tests.mlflow_bench import python_function, scikit_learn
from tests.seldon_bench import BUCKET, Cluster, seldon_cluster
from tests.serving_bench import MODEL, artifact

KINDS: dict[str, tuple[Callable[..., Any], str, bool]] = {
    "network": (lambda folder: artifact(folder, 1), "onnx", False),
    "sklearn": (scikit_learn, "mlflow", True),
    "custom": (python_function, "mlflow", True),
}
"""How each is written, the platform it says it is of, and whether loading it can run code that lies in it."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster whose namespace is empty."""
    with seldon_cluster() as found:
        yield found


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_a_model_of_our_runtime(cluster: Cluster, tmp_path: Path, kind: str) -> None:
    """The same capability and class for all, one folder by its content; who may run code is held to its digest."""
    write, platform, runs_code = KINDS[kind]
    write(folder := tmp_path / kind)
    version = ModelVersion(model=MODEL, variant=kind, number=1 + list(KINDS).index(kind), digest=folder_digest(folder))
    backend = cluster.backend()
    backend.deploy(version, folder)

    assert backend.is_ready(version.served_name)
    assert version.digest == backend.loaded_digest(version.served_name)
    split = TrafficSplit.all_to(version.served_name)
    assert split == backend.set_traffic(MODEL, split, version.number)
    resource = cluster.api.read("models", version.served_name)
    assert resource is not None
    spec = resource["spec"]
    assert ["mlserver", "python", "firstflight"] == spec["requirements"]
    with closing(boto3.client("s3")) as store:
        key = spec["storageUri"].partition(f"{BUCKET}/")[2]
        found = json.loads(store.get_object(Bucket=BUCKET, Key=f"{key}/model-settings.json")["Body"].read())
        listed = store.list_objects_v2(Bucket=BUCKET, Prefix=f"{key}/artifact/")["Contents"]
    files = {f"{key}/artifact/{path.relative_to(folder).as_posix()}" for path in folder.rglob("*") if path.is_file()}
    assert files == {one["Key"] for one in listed}
    assert (PREDICTOR, platform) == (found["implementation"], found["platform"])
    held_to = {"digest": version.digest, "variant": kind} if runs_code else {}
    assert {"served_name": version.served_name, "listener": "main", **held_to} == found["parameters"]["extra"]
