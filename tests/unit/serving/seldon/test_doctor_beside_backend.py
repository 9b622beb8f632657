"""The doctor on what the backend makes: the same namespace, through the same doubles over HTTP."""

from collections.abc import Iterator
from functools import partial

import pytest

from firstflight.domain.findings import Status
from firstflight.domain.traffic import TrafficSplit
from firstflight.serving.probe import probe, unasked
from firstflight.serving.seldon.diagnosis.diagnose import diagnose
from firstflight.serving.seldon.diagnosis.examination import predictions, routes
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
    """Models and Experiment pass, and a prediction is answered by one of the two."""
    assert [] == [one for one in diagnose(seen(cluster)) if one.status is not Status.PASS]
    assert {MODEL: TrafficSplit.canary(STABLE, CANDIDATE, 50)} == routes(seen(cluster))
    answered = probe(cluster.seldon.url, MODEL, partial(Mesh(cluster.seldon.url, 2.0).metadata, MODEL))
    assert (Status.PASS, True) == (answered.status, any(name in answered.found for name in (STABLE, CANDIDATE)))


def test_the_doctor_is_no_client_of_what_is_judged(cluster: Cluster) -> None:
    """Of a split of two it sees that both are reached, and no counter of either moves; one alone is asked."""
    before = cluster.backend().tallies(MODEL)
    [found] = predictions(seen(cluster), cluster.seldon.url)
    assert (Status.PASS, True) == (found.status, "not asked for" in found.found)
    assert before == cluster.backend().tallies(MODEL)
    cluster.backend().set_traffic(MODEL, TrafficSplit.all_to(STABLE), 2)
    [found] = predictions(seen(cluster), cluster.seldon.url)
    assert f"answered by {STABLE}" in found.found
    assert before[STABLE].requests + 1 == cluster.backend().tallies(MODEL)[STABLE].requests
    cluster.backend().set_traffic(MODEL, TrafficSplit.canary(STABLE, CANDIDATE, 50), 3)


def test_a_judged_model_that_is_not_reached_is_found(cluster: Cluster) -> None:
    """The mesh still has a split that names it not, whatever the Experiment says; and nobody may be there to ask."""
    other = TrafficSplit.canary(STABLE, "lightweight-predictor-v9", 50)
    assert f"{other} is judged" in unasked(MODEL, other).found
    found = unasked(MODEL, other, partial(Mesh(cluster.seldon.url, 2.0).misses, MODEL, tuple(other.weights)))
    assert (Status.FAIL, True) == (found.status, "lightweight-predictor-v9 is not reached" in found.found)
    nobody = partial(Mesh("http://127.0.0.1:9", 2.0).misses, MODEL, tuple(other.weights))
    assert "gateway-unreachable" == unasked(MODEL, other, nobody).id


def test_a_candidate_that_is_lost_is_no_health(cluster: Cluster) -> None:
    """Once its last replica is gone, the Model wants a nudge and the Experiment says that stable has all requests."""
    cluster.seldon.lose(CANDIDATE)
    found = {one.subject: one for one in diagnose(seen(cluster)) if one.status is Status.FAIL}
    assert "model-needs-nudge" == found[f"Model {CANDIDATE}"].id
    assert "experiment-inactive" == found[f"Experiment {MODEL}"].id
    assert f"all requests go to {STABLE}: {CANDIDATE} (ScheduleFailed)" in found[f"Experiment {MODEL}"].found
