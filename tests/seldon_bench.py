"""What the tests of serving through Seldon share: an API, a Seldon and object storage, all doubles over HTTP."""

import contextlib
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import boto3
import pytest
from moto.server import ThreadedMotoServer

from firstflight.serving.seldon.api import Api
from firstflight.serving.seldon.backend import Patience, SeldonBackend
from firstflight.settings import Settings
from tests.doubles.kubernetes_api import NAMESPACE, KubernetesApi
from tests.doubles.seldon import Seldon

BUCKET = "models"
QUICK = Patience(model=30.0, split=30.0, home=30.0, answer=2.0, events=1.0, nudge=1.0, poll=0.01)


@dataclass(frozen=True)
class Cluster:
    """A namespace of a cluster, and the settings that name it."""

    api: KubernetesApi
    seldon: Seldon
    settings: Settings

    def backend(self, patience: Patience = QUICK) -> SeldonBackend:
        """Return a backend of it."""
        return SeldonBackend(self.settings, api=Api(self.api.configuration, self.settings.namespace), patience=patience)


@contextmanager
def seldon_cluster() -> Iterator[Cluster]:
    """Run the doubles on free ports; ended with the block."""
    with object_storage(), KubernetesApi() as api, Seldon(api) as seldon:
        yield Cluster(api, seldon, settings_of(NAMESPACE, seldon))


@contextmanager
def object_storage() -> Iterator[None]:
    """Name a bucket in the environment, which is there from the first time on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", _storage())
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        with contextlib.closing(boto3.client("s3")) as store:
            store.create_bucket(Bucket=BUCKET)
        yield


@functools.cache
def _storage() -> str:
    """Run object storage as long as this process, and return its URL: what it keeps is the process's anyhow."""
    storage = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    storage.start()
    host, port = storage.get_host_and_port()
    return f"http://{host}:{port}"


def settings_of(namespace: str, seldon: Seldon) -> Settings:
    """Return the settings that name a namespace and its mesh."""
    return Settings(
        backend="seldon",
        namespace=namespace,
        mesh_url=seldon.url,
        mesh_stats_url=f"{seldon.url}/stats/prometheus",
        artifact_bucket=BUCKET,
    )
