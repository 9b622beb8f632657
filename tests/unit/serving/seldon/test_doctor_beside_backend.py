"""The doctor on what the backend makes: the same namespace, through the same doubles over HTTP."""

from collections.abc import Iterator
from functools import partial

import pytest

from firstflight.domain.findings import Status
from firstflight.domain.traffic import TrafficSplit
from firstflight.serving.probe import probe
from firstflight.serving.seldon.diagnosis.diagnose import diagnose
from firstflight.serving.seldon.diagnosis.examination import routes
from firstflight.serving.seldon.diagnosis.snapshot import Snapshot
from firstflight.serving.seldon.mesh import Mesh
from tests.doubles.cluster_objects import snapshot
from tests.seldon_bench import Cluster, seldon_cluster
from tests.serving_bench import MODEL, artifact

STABLE, CANDIDATE = "baseline-predictor-v1", "lightweight-predictor-v2"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A namespace in which the backend serves a split of two models."""
    folder = tmp_path_factory.mktemp("artifacts")
    with seldon_cluster() as made:
        backend = made.backend()
        backend.deploy(artifact(folder / "stable", 1), folder / "stable")
        backend.deploy(artifact(folder / "candidate", 2, variant="lightweight"), folder / "candidate")
        backend.set_traffic(MODEL, TrafficSplit.canary(STABLE, CANDIDATE, 50), 1)
        yield made


def seen(cluster: Cluster) -> Snapshot:
    """Return what the API says of Models and Experiments, in a namespace where all else is well."""
    models, experiments = (
        [cluster.api.read(kind, name) for name in cluster.api.names(kind)] for kind in ("models", "experiments")
    )
    return snapshot(models=models, experiments=experiments)


def test_what_the_backend_makes_is_well(cluster: Cluster) -> None:
    """Models and Experiment pass, and the doctor's prediction is answered by one of the two."""
    assert [] == [one for one in diagnose(seen(cluster)) if one.status is not Status.PASS]
    assert (MODEL,) == routes(seen(cluster))
    answered = probe(cluster.seldon.url, MODEL, partial(Mesh(cluster.seldon.url, 2.0).metadata, MODEL))
    assert (Status.PASS, True) == (answered.status, any(name in answered.found for name in (STABLE, CANDIDATE)))


def test_a_candidate_that_is_lost_is_no_health(cluster: Cluster) -> None:
    """Once its last replica is gone, the Model wants a nudge and the Experiment says that stable has all requests."""
    cluster.seldon.lose(CANDIDATE)
    found = {one.subject: one for one in diagnose(seen(cluster)) if one.status is Status.FAIL}
    assert "model-needs-nudge" == found[f"Model {CANDIDATE}"].id
    assert "experiment-inactive" == found[f"Experiment {MODEL}"].id
    assert f"all requests go to {STABLE}: {CANDIDATE} (ScheduleFailed)" in found[f"Experiment {MODEL}"].found
