"""A real Seldon Core that somebody else has started, named by the environment; nothing here builds or fetches it.

`SELDON_MESH` and `SELDON_STATS` are where its Envoy answers (`http://host:9000`, `http://host:9003/stats/prometheus`),
`SELDON_PROMETHEUS` the Prometheus that scrapes it, `SELDON_NAMESPACE` where its models live (`firstflight`); KUBECONFIG
names its API, boto3's own variables the storage that its Secret `model-storage` opens. The namespace has no Models and
Experiments, and is left so.
"""

import os

import pytest

from firstflight.serving.seldon.api import Api
from firstflight.serving.seldon.configuration import open_api
from firstflight.settings import Settings


def real_settings() -> Settings:
    """Return the settings that name it; skip where the environment names none."""
    if not (os.environ.get("SELDON_MESH") and os.environ.get("SELDON_STATS") and os.environ.get("KUBECONFIG")):
        pytest.skip("SELDON_MESH, SELDON_STATS and KUBECONFIG name no Seldon")
    return Settings(
        backend="seldon",
        namespace=os.environ.get("SELDON_NAMESPACE", "firstflight"),
        mesh_url=os.environ["SELDON_MESH"],
        mesh_stats_url=os.environ["SELDON_STATS"],
        prometheus_url=os.environ.get("SELDON_PROMETHEUS", "http://127.0.0.1:9090"),
    )


def emptied(settings: Settings) -> Api:
    """Return the API once no Model, Experiment or lease of ours is left in the namespace."""
    api = open_api(settings)
    for plural in ("experiments", "models", "leases"):
        for one in api.list(plural):
            api.delete(plural, one["metadata"]["name"])
    return api
