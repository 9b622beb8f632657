"""What goes wrong between us and Seldon, and what we then say and do."""

import logging
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from firstflight.domain.errors import (
    BackendUnavailableError,
    FieldConflictError,
    ModelNotReadyError,
    ServingError,
    SplitPendingError,
    StaleTokenError,
    TrafficNotAppliedError,
)
from firstflight.domain.findings import Status
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.versions import ModelVersion
from firstflight.guard.stable_watch import StableWatch
from firstflight.notify.messages import Message
from firstflight.serving.going_home import bring_traffic_home
from firstflight.serving.inference import headers
from firstflight.serving.lease import Lease, Surrender
from firstflight.serving.preconditions import Fence
from firstflight.serving.seldon.annotations import CHANGE, FENCE, VERSION, fence_of
from firstflight.serving.seldon.api import Api
from firstflight.serving.seldon.backend import Patience
from firstflight.serving.seldon.diagnosis.diagnose import diagnose
from firstflight.serving.seldon.diagnosis.examination import ghosts, lagging, scheduler_finding
from firstflight.serving.seldon.diagnosis.stored import stored_findings
from firstflight.serving.seldon.experiments import declared
from firstflight.serving.seldon.leases import KubernetesLeases
from firstflight.serving.seldon.mesh import Carried, Mesh
from tests.doubles.cluster_objects import model, secret, snapshot
from tests.doubles.kubernetes_api import Fault, Object
from tests.manifests.objects import build, of_kind
from tests.seldon_bench import QUICK, Cluster, seldon_cluster
from tests.serving_bench import MODEL, artifact, until

STABLE, CANDIDATE, SHADOW = "baseline-predictor-v1", "enhanced-predictor-v2", "shadow-predictor-v2"
CANARY = TrafficSplit.canary(STABLE, CANDIDATE, 20)
HOME = TrafficSplit.all_to(STABLE)
SHORT = Patience(model=0.3, split=0.3, home=0.3, answer=1.0, events=0.1, nudge=60.0, poll=0.01)


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    """A cluster whose namespace is empty."""
    with seldon_cluster() as found:
        yield found


@pytest.fixture
def cluster(shared: Cluster, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster with a stable model that has all traffic, and a candidate."""
    backend = shared.backend()
    for number, variant in enumerate(("baseline", "enhanced"), 1):
        backend.deploy(artifact(tmp_path / variant, number, variant=variant), tmp_path / variant)
    backend.set_traffic(MODEL, HOME, 1)
    yield shared
    shared.api.down, shared.api.drop_watches_after = False, None
    shared.api.faults.clear()
    shared.seldon.going.set()
    shared.seldon.behaviour.__init__()  # type: ignore[misc]  # as it was born
    for plural in ("experiments", "models"):
        for name in shared.api.names(plural):
            shared.api.delete(plural, name)
    until(lambda: not shared.api.names("experiments") and not shared.api.names("models"))


def experiment(cluster: Cluster) -> Object:
    """Return the route's Experiment."""
    found = cluster.api.read("experiments", MODEL)
    assert found is not None
    return found


def asked(cluster: Cluster, times: int) -> set[str | None]:
    """Return who answers clients, None for nobody."""
    return {cluster.seldon.choose(f"{MODEL}.experiment", None) for _ in range(times)}


def test_a_split_is_one_experiment_whose_default_is_stable(cluster: Cluster) -> None:
    """Stable stands first, so that the experiment's own endpoint keeps it when a candidate dies."""
    cluster.backend().set_traffic(MODEL, CANARY, 2)
    assert {
        "default": STABLE,
        "candidates": [{"name": STABLE, "weight": 80}, {"name": CANDIDATE, "weight": 20}],
        "resourceType": "model",
    } == experiment(cluster)["spec"]
    notes = experiment(cluster)["metadata"]["annotations"]
    assert Fence(token=2) == Fence.model_validate_json(notes[FENCE])
    assert CHANGE not in notes


def test_every_write_is_a_strict_apply_of_ours(cluster: Cluster) -> None:
    """Server-side, as `firstflight`, with no unknown field, never by force."""
    cluster.api.applied.clear()
    cluster.backend().set_traffic(MODEL, CANARY, 2)
    assert cluster.api.applied
    for query in cluster.api.applied:
        assert ("firstflight", "Strict", "false") == (query["fieldManager"], query["fieldValidation"], query["force"])
        assert "application/apply-patch+yaml" == query["type"]


def test_a_rejected_split_is_told_and_taken_back(cluster: Cluster) -> None:
    """Seldon keeps the old split and `Ready`; we say why, and the spec says what is in force again."""
    cluster.seldon.behaviour.rejects[MODEL] = "baseline model not found"
    with pytest.raises(TrafficNotAppliedError, match="baseline model not found"):
        cluster.backend().set_traffic(MODEL, CANARY, 2)
    assert HOME == cluster.backend().get_traffic(MODEL)
    assert STABLE == experiment(cluster)["spec"]["default"]
    assert 1 == len(experiment(cluster)["spec"]["candidates"])


def test_an_old_rejection_does_not_spoil_a_later_split(cluster: Cluster) -> None:
    """The condition that says so is never cleared."""
    cluster.seldon.behaviour.rejects[MODEL] = "no"
    with pytest.raises(TrafficNotAppliedError):
        cluster.backend().set_traffic(MODEL, CANARY, 2)
    cluster.seldon.behaviour.rejects.clear()
    assert CANARY == cluster.backend().set_traffic(MODEL, CANARY, 2)


def test_ready_from_before_is_not_taken_for_now(cluster: Cluster) -> None:
    """A change that nobody takes is not in force, however ready the experiment says it is."""
    cluster.seldon.behaviour.silent.add(MODEL)
    with pytest.raises(TrafficNotAppliedError, match="is written, but"):
        cluster.backend(SHORT).set_traffic(MODEL, CANARY, 2)
    assert HOME == cluster.backend().get_traffic(MODEL)


def test_while_a_change_waits_the_split_before_is_reported(cluster: Cluster) -> None:
    """Another process that looks meanwhile sees what Envoy has; the waiting driver ends right."""
    cluster.seldon.going.clear()
    done: list[TrafficSplit] = []
    driver = threading.Thread(target=lambda: done.append(cluster.backend().set_traffic(MODEL, CANARY, 2)))
    driver.start()
    until(lambda: CHANGE in experiment(cluster)["metadata"]["annotations"])
    assert HOME == cluster.backend().get_traffic(MODEL)
    cluster.seldon.going.set()
    driver.join(timeout=10)
    assert [CANARY] == done


def test_envoy_that_never_hears_is_found_out(cluster: Cluster) -> None:
    """Seldon's word is checked by requests, as many as a small share needs."""
    cluster.seldon.behaviour.stale_envoy.add(MODEL)
    for percent in (90, 5):
        with pytest.raises(TrafficNotAppliedError, match=f"requests .*to {STABLE}"):
            cluster.backend(SHORT).set_traffic(MODEL, TrafficSplit.canary(STABLE, CANDIDATE, percent), 2)


def test_a_candidate_without_a_live_replica_gets_no_split(cluster: Cluster) -> None:
    """Seldon would send its share to stable, and zero traffic would look healthy."""
    cluster.seldon.lose(CANDIDATE)
    assert not cluster.backend().is_ready(CANDIDATE)
    with pytest.raises(ModelNotReadyError, match="no matching servers are available"):
        cluster.backend().set_traffic(MODEL, CANARY, 2)
    assert HOME == cluster.backend().get_traffic(MODEL)


def test_a_candidate_that_dies_is_reported_as_all_to_stable(cluster: Cluster) -> None:
    """What is reported is what happens, so whoever drives sees that his split is gone; going home works."""
    backend = cluster.backend()
    backend.set_traffic(MODEL, CANARY, 2)
    cluster.seldon.lose(CANDIDATE)
    assert HOME == backend.get_traffic(MODEL)
    assert HOME == backend.set_traffic(MODEL, HOME, 2)
    cluster.seldon.find(CANDIDATE)
    until(lambda: backend.is_ready(CANDIDATE))
    assert HOME == backend.get_traffic(MODEL)


@pytest.mark.parametrize("way", ["lost", "evicted"])
def test_a_candidate_that_goes_at_all_of_the_traffic_leaves_stable(cluster: Cluster, way: str) -> None:
    """An experiment whose only weight is at its second candidate would leave clients nobody, and Envoy no route."""
    backend = cluster.backend()
    all_of_it = TrafficSplit.canary(STABLE, CANDIDATE, 100)
    assert all_of_it == backend.set_traffic(MODEL, all_of_it, 2)
    assert all_of_it == backend.get_traffic(MODEL)
    backend.evict(CANDIDATE) if way == "evicted" else cluster.seldon.lose(CANDIDATE)
    assert {STABLE} == asked(cluster, 20)
    assert HOME == backend.get_traffic(MODEL)


def test_of_three_the_ones_before_a_dead_one_are_reported(cluster: Cluster, tmp_path: Path) -> None:
    """They go on having traffic, so it may not be said that all is at the stable model."""
    backend = cluster.backend()
    third = artifact(tmp_path / "third", 3, variant="lightweight")
    backend.deploy(third, tmp_path / "third")
    backend.set_traffic(
        MODEL, TrafficSplit(stable=STABLE, weights={STABLE: 50, CANDIDATE: 30, third.served_name: 20}), 2
    )
    cluster.seldon.lose(third.served_name)
    assert {STABLE, CANDIDATE} == asked(cluster, 60)
    reported = backend.get_traffic(MODEL)
    assert reported is not None
    assert reported.weights in ({STABLE: 62, CANDIDATE: 38}, {STABLE: 63, CANDIDATE: 37})


def test_an_eviction_that_the_scheduler_has_not_done_is_no_proof(cluster: Cluster) -> None:
    """The Model has a deletionTimestamp and the candidate still answers."""
    backend = cluster.backend(SHORT)
    backend.set_traffic(MODEL, TrafficSplit.canary(STABLE, CANDIDATE, 50), 2)
    cluster.seldon.going.clear()
    with pytest.raises(TrafficNotAppliedError, match="still leads there"):
        backend.evict(CANDIDATE)
    assert CANDIDATE in asked(cluster, 60)
    assert CANDIDATE in backend.tallies(MODEL), "what still gets requests is still counted"
    cluster.seldon.going.set()
    until(lambda: {STABLE} == asked(cluster, 20))


def test_nobody_is_stopped_while_the_scheduler_is_away(cluster: Cluster) -> None:
    """A Model that is deleted then stays loaded for good; home is written, and comes true by itself."""
    backend = cluster.backend(SHORT)
    backend.set_traffic(MODEL, TrafficSplit.canary(STABLE, CANDIDATE, 50), 2)
    cluster.seldon.going.clear()
    with pytest.raises(SplitPendingError, match="comes into force once Seldon's scheduler reacts"):
        bring_traffic_home(backend, MODEL, [CANDIDATE], lambda: backend.go_home(MODEL))
    found = cluster.api.read("models", CANDIDATE)
    assert found is not None
    assert "deletionTimestamp" not in found["metadata"]
    cluster.seldon.going.set()
    until(lambda: {STABLE} == asked(cluster, 20))
    assert "router" == bring_traffic_home(backend, MODEL, [CANDIDATE], lambda: backend.go_home(MODEL)).way
    assert HOME == backend.get_traffic(MODEL)


def test_a_scheduler_that_says_nothing_after_its_return_is_believed_by_requests(cluster: Cluster) -> None:
    """It keeps `ExperimentReady` as it was, and an error of when it was away: what clients get decides."""
    backend = cluster.backend()
    backend.set_traffic(MODEL, CANARY, 2)
    cluster.seldon.going.clear()
    with pytest.raises(SplitPendingError):
        cluster.backend(SHORT).go_home(MODEL)
    assert CANARY == backend.get_traffic(MODEL)
    cluster.seldon.going.set()
    until(lambda: {STABLE} == asked(cluster, 40))
    conditions = {one["type"]: one for one in experiment(cluster)["status"]["conditions"]}
    assert "Unavailable" in conditions["ModelReady"]["reason"]
    assert HOME == backend.get_traffic(MODEL)
    assert HOME == backend.go_home(MODEL)


def test_status_events_in_reverse_do_not_hold_a_split_up(cluster: Cluster) -> None:
    """Envoy has the split and Seldon says for good that the experiment is not ready."""
    cluster.seldon.behaviour.reversed.add(MODEL)
    backend = cluster.backend()
    assert CANARY == backend.set_traffic(MODEL, CANARY, 2)
    assert CANARY == backend.get_traffic(MODEL)
    assert HOME == backend.go_home(MODEL)


def test_a_generation_that_was_lost_is_written_once_more(cluster: Cluster) -> None:
    """The same split with other weights is another generation, and that one is taken."""
    cluster.seldon.behaviour.deaf.add(MODEL)
    backend = cluster.backend(replace(QUICK, events=0.05, nudge=0.1))
    assert CANARY == backend.set_traffic(MODEL, CANARY, 2)
    weights = {one["name"]: one["weight"] for one in experiment(cluster)["spec"]["candidates"]}
    assert {STABLE: 160, CANDIDATE: 40} == weights
    assert CANARY == backend.get_traffic(MODEL)
    generation = experiment(cluster)["metadata"]["generation"]
    assert CANARY == backend.set_traffic(MODEL, CANARY, 2)
    assert generation == experiment(cluster)["metadata"]["generation"], "nothing was to be written again"


def test_a_candidate_that_hangs_or_fails_holds_no_split_up(cluster: Cluster) -> None:
    """What is asked through the split is answered by the agent beside the server, so the route shows all the same."""
    cluster.seldon.behaviour.hanging.add(CANDIDATE)
    backend = cluster.backend(replace(QUICK, answer=0.3))
    assert CANARY == backend.set_traffic(MODEL, CANARY, 2)
    assert not backend.is_ready(CANDIDATE)
    assert HOME == backend.go_home(MODEL)


@pytest.mark.parametrize(("blame", "loaded_again"), [(422, 0), (400, 1), (404, 1)])
def test_what_is_no_request_has_a_model_loaded_again_or_not(cluster: Cluster, blame: int, loaded_again: int) -> None:
    """As the real agent does: a server that says 400 or 404 to what a client sent is loaded again."""
    cluster.seldon.behaviour.blame, before = blame, cluster.seldon.reloaded.total()
    answer = httpx.post(
        f"{cluster.seldon.url}/v2/models/x/infer", content=b"{", headers=headers(MODEL, "r"), timeout=30
    )
    assert (blame, before + loaded_again) == (answer.status_code, cluster.seldon.reloaded.total())


@pytest.mark.parametrize("by_driver", [True, False])
def test_the_way_home_is_written_before_anybody_is_asked(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, *, by_driver: bool
) -> None:
    """What may be in force is in our notes; whoever is to be brought home may hang, and who asks him waits."""
    backend, asked = cluster.backend(), []
    assert CANARY == backend.set_traffic(MODEL, CANARY, 2)
    cluster.seldon.behaviour.silent.add(MODEL)
    with pytest.raises(TrafficNotAppliedError):
        cluster.backend(SHORT).set_traffic(MODEL, TrafficSplit.canary(STABLE, CANDIDATE, 75), 3)
    cluster.seldon.behaviour.silent.clear()
    carries = Mesh.carries

    def watched(*args: Any) -> Carried:
        asked.append(declared(experiment(cluster)))
        return carries(*args)

    monkeypatch.setattr(Mesh, "carries", watched)
    assert HOME == (backend.set_traffic(MODEL, HOME, 3) if by_driver else backend.go_home(MODEL))
    assert {str(HOME)} == set(map(str, asked))


def test_an_envoy_that_cannot_be_asked_proves_nothing(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each address of the mesh has routes of its own, and each is asked."""
    monkeypatch.setattr("firstflight.serving.seldon.mesh.addresses", lambda *_: ["127.0.0.1", "127.0.0.77"])
    with pytest.raises(SplitPendingError, match=r"127\.0\.0\.77"):
        cluster.backend(SHORT).go_home(MODEL)


def test_questions_are_none_of_the_models_requests(cluster: Cluster) -> None:
    """Proving a split, reading a digest and asking who is ready count for nobody."""
    backend = cluster.backend()
    before = {name: one.requests for name, one in backend.tallies(MODEL).items()}
    backend.set_traffic(MODEL, CANARY, 2)
    assert backend.is_ready(CANDIDATE)
    assert backend.loaded_digest(CANDIDATE)
    assert before == {name: one.requests for name, one in backend.tallies(MODEL).items()}


def test_a_late_driver_cannot_make_the_experiment_over_a_newer_ones(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both found none; the newer driver made it first. The late one is refused, and the route is at home."""
    cluster.api.delete("experiments", MODEL)
    until(lambda: cluster.api.read("experiments", MODEL) is None)
    late, newer = cluster.backend(), cluster.backend()
    apply = late._api.apply
    overtaken: list[int] = []

    def slow(plural: str, manifest: Object, **options: Any) -> Object:
        if plural == "experiments" and not overtaken:
            overtaken.append(1)
            newer.set_traffic(MODEL, HOME, 9)
        return apply(plural, manifest, **options)

    monkeypatch.setattr(late._api, "apply", slow)
    with pytest.raises(StaleTokenError):
        late.set_traffic(MODEL, CANARY, 3)
    assert overtaken
    assert HOME == cluster.backend().get_traffic(MODEL)
    until(lambda: {STABLE} == asked(cluster, 20))
    for token in (3, 9):
        with pytest.raises(StaleTokenError):
            cluster.backend().set_traffic(MODEL, CANARY, token)


def test_what_somebody_deletes_is_made_anew_on_the_way_home(cluster: Cluster) -> None:
    """Clients ask the experiment's own endpoint, which goes with it."""
    cluster.backend().set_traffic(MODEL, CANARY, 2)
    cluster.seldon.going.clear()
    cluster.api.delete("experiments", MODEL)
    with pytest.raises(TrafficNotAppliedError, match="is being deleted"):
        cluster.backend(SHORT).go_home(MODEL)
    cluster.seldon.going.set()
    until(lambda: cluster.api.read("experiments", MODEL) is None)
    cluster.backend().set_traffic(MODEL, CANARY, 2)
    cluster.seldon.going.clear()
    cluster.api.delete("experiments", MODEL)
    threading.Timer(0.5, cluster.seldon.going.set).start()
    assert HOME == cluster.backend().go_home(MODEL)
    assert {STABLE} == asked(cluster, 20)
    with pytest.raises(StaleTokenError):
        cluster.backend().set_traffic(MODEL, CANARY, 2)


@pytest.mark.parametrize("spoiled", ["mirror", "fence", "change"])
def test_what_somebody_made_unreadable_is_an_error_of_ours_and_goes_home(cluster: Cluster, spoiled: str) -> None:
    """No process of ours dies of it, and deploying and going home work all the same."""
    backend = cluster.backend()
    backend.set_traffic(MODEL, CANARY, 2)

    def spoil(body: Object) -> None:
        if spoiled == "mirror":
            body["spec"]["mirror"] = {"name": CANDIDATE, "percent": 100}
        else:
            body["metadata"]["annotations"][{"fence": FENCE, "change": CHANGE}[spoiled]] = "{"

    cluster.api.edit("experiments", MODEL, spoil)
    if spoiled != "fence":
        with pytest.raises(ServingError, match=r"somebody else|none of ours"):
            backend.get_traffic(MODEL)
    home = backend.go_home(MODEL)
    assert home is not None
    assert home.weights == HOME.weights, "a mirror of somebody else's stays with its owner, and harms no client"
    assert {STABLE} == asked(cluster, 20)
    assert home == backend.get_traffic(MODEL)


def test_an_outage_while_the_split_before_is_asked_for_deletes_nothing(cluster: Cluster) -> None:
    """Not knowing what was before is no reason to take the route away when the new split does not come true."""
    backend = cluster.backend(SHORT)
    backend.set_traffic(MODEL, CANARY, 2)
    cluster.seldon.lose(CANDIDATE)
    cluster.api.faults.append(Fault(503, "list", "models"))
    with pytest.raises(BackendUnavailableError):
        backend._routes.known(experiment(cluster))
    cluster.api.faults.clear()
    assert HOME == backend._routes.known(experiment(cluster))


def test_a_dead_shadow_is_not_healthy(cluster: Cluster, tmp_path: Path) -> None:
    """A mirror that cannot be reached makes the experiment inactive: its own endpoint goes on, and that is told."""
    backend = cluster.backend()
    backend.deploy(artifact(tmp_path / "shadow", 2, variant="enhanced"), tmp_path / "shadow", SHADOW)
    split = TrafficSplit(stable=STABLE, weights={STABLE: 50, CANDIDATE: 50}, shadow=SHADOW)
    assert split == backend.set_traffic(MODEL, split, 2)
    assert cluster.seldon.mirrored[SHADOW]
    cluster.seldon.lose(SHADOW)
    assert TrafficSplit.canary(STABLE, CANDIDATE, 50) == backend.get_traffic(MODEL) != split
    assert {STABLE, CANDIDATE} == asked(cluster, 40)


def test_a_model_that_cannot_be_loaded_is_told_and_removed(cluster: Cluster, tmp_path: Path) -> None:
    """With the agent's own words; nothing else changes."""
    cluster.seldon.behaviour.fails["plain-predictor-v7"] = "failed to sync/copy s3://models"
    with pytest.raises(ModelNotReadyError, match="failed to sync/copy"):
        cluster.backend().deploy(artifact(tmp_path / "x", 7, variant="plain"), tmp_path / "x")
    assert frozenset({STABLE, CANDIDATE}) == cluster.backend().served()


def test_a_model_that_comes_too_early_for_its_name_is_made_again(cluster: Cluster, tmp_path: Path) -> None:
    """The scheduler says that another is in process of deletion, and does not try this one a second time."""
    version = artifact(tmp_path / "x", 7, variant="plain")
    cluster.seldon.behaviour.still_ending.add(version.served_name)
    cluster.backend().deploy(version, tmp_path / "x")
    assert cluster.backend().is_ready(version.served_name)
    cluster.backend().undeploy(version.served_name)


def test_a_model_that_is_never_placed_is_told_and_removed(cluster: Cluster, tmp_path: Path) -> None:
    """The reason says what is missing, not that time is up alone."""
    cluster.seldon.behaviour.unscheduled.add("plain-predictor-v7")
    with pytest.raises(ModelNotReadyError, match="no matching servers are available"):
        cluster.backend(SHORT).deploy(artifact(tmp_path / "x", 7, variant="plain"), tmp_path / "x")
    assert frozenset({STABLE, CANDIDATE}) == cluster.backend().served()


def test_a_model_that_is_gone_and_still_loaded_is_ended(cluster: Cluster, tmp_path: Path) -> None:
    """It was deleted while the scheduler had just come back: making and deleting it once more unloads it."""
    backend = cluster.backend(replace(QUICK, events=0.1))
    version = artifact(tmp_path / "x", 7, variant="plain")
    backend.deploy(version, tmp_path / "x")
    cluster.seldon.behaviour.ghosts.add(version.served_name)
    backend.undeploy(version.served_name)
    assert version.served_name not in cluster.seldon.loaded
    assert cluster.api.read("models", version.served_name) is None
    backend.deploy(version, tmp_path / "x")
    cluster.seldon.behaviour.ghosts.add(version.served_name)
    cluster.api.delete("models", version.served_name)  # by somebody else
    until(lambda: cluster.api.read("models", version.served_name) is None)
    assert version.served_name in cluster.seldon.loaded
    backend.undeploy(version.served_name)
    assert version.served_name not in cluster.seldon.loaded


def test_the_doctor_names_what_the_api_does_not_know(cluster: Cluster) -> None:
    """The mesh leads to it, and no Model is there to be ended."""
    seen = [cluster.api.read("models", name) for name in cluster.api.names("models")]
    stats = cluster.settings.mesh_stats_url
    assert () == ghosts(snapshot(models=seen), stats)
    [found] = ghosts(snapshot(models=[one for one in seen if one and one["metadata"]["name"] != CANDIDATE]), stats)
    assert ("model-ghost", f"Model {CANDIDATE}") == (found.id, found.subject)


def test_the_doctor_hears_of_a_dead_scheduler_from_the_mesh(cluster: Cluster) -> None:
    """Its pod may say that it is ready: the Envoys that it should lead know better."""
    stats = cluster.settings.mesh_stats_url
    assert () == scheduler_finding(stats)
    cluster.seldon.going.clear()
    [found] = scheduler_finding(stats)
    assert ("scheduler-lost", "1 of 1 Envoys are not connected to it, whatever its pod says") == (found.id, found.found)


def test_requests_tell_the_doctor_whether_a_status_lags(cluster: Cluster) -> None:
    """Events that came in reverse are a warning while requests reach each model, and a failure when they do not."""
    cluster.seldon.behaviour.reversed.add(MODEL)
    cluster.backend().set_traffic(MODEL, CANARY, 2)
    url = cluster.settings.gateway_url
    seen = snapshot(
        models=[cluster.api.read("models", name) for name in cluster.api.names("models")],
        experiments=[cluster.api.read("experiments", MODEL)],
    )
    assert [] == [one for one in diagnose(seen) if one.subject == f"Experiment {MODEL}"]
    [found] = lagging(seen, url)
    assert ("experiment-lagging", Status.WARN) == (found.id, found.status)
    del cluster.seldon.splits[MODEL]
    [found] = lagging(seen, url)
    assert Status.FAIL is found.status
    assert "is not reached by its own route" in found.found
    assert () == lagging(replace(seen, listings={**seen.listings, "models": ()}), url)


def test_the_doctor_asks_the_storage_for_each_object(cluster: Cluster) -> None:
    """An object that is gone, keys or a bucket that the storage does not know, and a storage that is not there."""

    def found(endpoint: str, key: str = "test") -> list[tuple[str, str, Status]]:
        parameters = {"endpoint": endpoint, "access_key_id": key, "secret_access_key": "test"}
        held = secret({"type": "s3", "name": "s3", "parameters": parameters})
        seen = snapshot(models=[stored, gone], secrets={"model-storage": held})
        return [(one.id, one.subject, one.status) for one in stored_findings(seen)]

    uri = cluster.api.read("models", CANDIDATE)["spec"]["storageUri"]
    stored, gone = model("stored", storageUri=uri), model("gone", storageUri=f"{uri}-not")
    here = os.environ["AWS_ENDPOINT_URL_S3"]
    assert [("artifact-gone", "Model gone", Status.FAIL)] == found(here)
    assert [("storage-unreachable", "Secret model-storage", Status.FAIL)] == found("http://127.0.0.1:9")
    assert [("storage-unreachable", "Secret model-storage", Status.WARN)] == found("http://minio.invalid:9000")
    gone["spec"]["storageUri"] = "s3://nobodys/x"
    assert [("storage-refused", "Secret model-storage", Status.FAIL)] == found(here)
    assert [] == found(here, key="")  # the agents' own rights


def test_a_route_without_its_first_model_is_a_silent_stable_model(cluster: Cluster) -> None:
    """Everybody is answered 404, which no cluster counts: who watches stable models calls people for it."""
    backend = cluster.backend()
    backend.set_traffic(MODEL, CANARY, 2)
    cluster.seldon.lose(STABLE)
    assert cluster.seldon.choose(f"{MODEL}.experiment", None) is None
    told: list[Message] = []
    notifier = SimpleNamespace(send=told.append)
    watch = StableWatch(SimpleNamespace(backend=backend, notifier=notifier), iter((0.0, 31.0)).__next__)  # type: ignore[arg-type]
    watch.look()
    watch.look()
    assert [f"{MODEL}: {STABLE}, the stable model, does not answer"] == [message.headline for message in told]


def test_names_of_others_are_left_alone(cluster: Cluster, tmp_path: Path) -> None:
    """A Model or Experiment that we did not make is neither served, changed nor removed."""
    cluster.api.add("models", "plain-predictor-v7", {"storageUri": "s3://models/theirs"})
    with pytest.raises(ServingError, match="not ours"):
        cluster.backend().deploy(artifact(tmp_path / "x", 7, variant="plain"), tmp_path / "x")
    with pytest.raises(ServingError, match="not ours"):
        cluster.backend().undeploy("plain-predictor-v7")
    assert "plain-predictor-v7" not in cluster.backend().served()
    cluster.api.add("experiments", "other", {"default": CANDIDATE, "candidates": [{"name": CANDIDATE, "weight": 1}]})
    assert cluster.backend().get_traffic("other") is None
    with pytest.raises(ServingError, match="other"):
        cluster.backend().undeploy(CANDIDATE)
    with pytest.raises(ServingError, match="default of experiment other"):
        cluster.backend().set_traffic(MODEL, TrafficSplit.all_to(CANDIDATE), 2)


def test_somebody_elses_edit_is_a_conflict_except_on_the_way_home(
    cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    """Weights that a person wrote are seen, not overwritten; safety comes first, and says so."""
    cluster.backend().set_traffic(MODEL, CANARY, 2)

    def turn(body: Object) -> None:
        body["spec"]["candidates"] = [{"name": STABLE, "weight": 1}, {"name": CANDIDATE, "weight": 1}]

    cluster.api.edit("experiments", MODEL, turn)
    until(lambda: TrafficSplit.canary(STABLE, CANDIDATE, 50) == cluster.backend().get_traffic(MODEL))
    with pytest.raises(FieldConflictError, match="kubectl-edit"):
        cluster.backend().set_traffic(MODEL, CANARY, 2)
    with caplog.at_level(logging.WARNING):
        assert HOME == cluster.backend().set_traffic(MODEL, HOME, 2)
    assert "taken from their owner" in caplog.text


def test_weights_that_are_no_split_are_refused_in_words(cluster: Cluster) -> None:
    """Somebody's sum of zero, which would stop Envoy, is told."""

    def nothing(body: Object) -> None:
        body["spec"]["candidates"] = [{"name": STABLE, "weight": 0}]

    cluster.api.edit("experiments", MODEL, nothing)
    with pytest.raises(ServingError, match="is no split"):
        cluster.backend().get_traffic(MODEL)


@pytest.mark.parametrize(
    "fault",
    [Fault(0), Fault(429, headers={"Retry-After": "1"}), Fault(500), Fault(503)],
    ids=["dropped", "429", "500", "503"],
)
@pytest.mark.parametrize("verb", ["list", "patch"])
def test_an_api_that_fails_is_an_outage_and_the_same_call_ends_right(cluster: Cluster, fault: Fault, verb: str) -> None:
    """It is raised as one, so tasks try again; nothing is half done that trying again does not complete."""
    told = Fault(fault.code, verb, "experiments", fault.headers)
    cluster.api.faults.append(told)
    with pytest.raises(BackendUnavailableError):
        cluster.backend().set_traffic(MODEL, CANARY, 2)
    assert CANARY == cluster.backend().set_traffic(MODEL, CANARY, 2)


def test_an_invalid_object_is_no_outage(cluster: Cluster) -> None:
    """Trying 422 again would not help."""
    cluster.api.faults.append(Fault(422, "patch"))
    with pytest.raises(ServingError, match="422"):
        cluster.backend().set_traffic(MODEL, CANARY, 2)


def test_a_field_that_the_api_does_not_know_is_no_outage(cluster: Cluster) -> None:
    """It answers 500, and trying again would not help."""
    api = Api(cluster.api.configuration, cluster.settings.namespace)
    written = {"metadata": {"name": MODEL}, "spec": {"candidatez": []}}
    with pytest.raises(ServingError, match=r"\.spec\.candidatez: field not declared in schema") as raised:
        api.apply("experiments", written)
    assert "CRDs do not know" in str(raised.value)


def test_a_version_that_moved_on_is_read_again(cluster: Cluster) -> None:
    """409 for a status that changed between reading and writing is nobody's fault."""
    cluster.api.faults.append(Fault(409, "patch", "experiments"))
    assert CANARY == cluster.backend().set_traffic(MODEL, CANARY, 2)


def test_a_newer_driver_between_reading_and_writing_wins(cluster: Cluster) -> None:
    """The write carries the version that was read; read again, it shows the newer token."""
    applied = cluster.api.apply

    def overtaken(*given: object, **named: object) -> tuple[int, Object]:
        cluster.api.apply = applied  # type: ignore[method-assign]  # only once
        cluster.backend().set_traffic(MODEL, HOME, 9)
        return applied(*given, **named)  # type: ignore[arg-type]  # as they came

    cluster.api.apply = overtaken  # type: ignore[method-assign]  # the moment between
    with pytest.raises(StaleTokenError, match="9"):
        cluster.backend().set_traffic(MODEL, CANARY, 2)
    assert HOME == cluster.backend().get_traffic(MODEL)


@pytest.mark.parametrize("gone", ["dropped", "forgotten", "410", "500"])
def test_a_watch_that_breaks_is_begun_anew(cluster: Cluster, gone: str) -> None:
    """By what is there then; one that the API refuses for a fault of its own is an outage."""
    cluster.seldon.going.clear()
    if gone == "dropped":
        cluster.api.drop_watches_after = 1
    elif gone != "forgotten":
        cluster.api.faults.append(Fault(int(gone), "watch"))
    done: list[TrafficSplit | BaseException] = []

    def drive() -> None:
        try:
            done.append(cluster.backend().set_traffic(MODEL, CANARY, 2))
        except BackendUnavailableError as error:
            done.append(error)

    driver = threading.Thread(target=drive)
    driver.start()
    until(lambda: CHANGE in experiment(cluster)["metadata"]["annotations"])
    if gone == "forgotten":
        cluster.api.forget_history()
    cluster.seldon.going.set()
    driver.join(timeout=10)
    assert (BackendUnavailableError if gone == "500" else TrafficSplit) is type(done[0])


def test_an_outage_in_mid_change_ends_right_when_it_is_over(cluster: Cluster) -> None:
    """The API goes while a change waits: the driver is told, clients are answered, the next try goes on from there."""
    cluster.seldon.going.clear()
    cluster.api.faults.append(Fault(0, "watch"))
    with pytest.raises(BackendUnavailableError):
        cluster.backend().set_traffic(MODEL, CANARY, 2)
    cluster.api.down = True
    calls: list[Callable[[], object]] = [
        lambda: cluster.backend().get_traffic(MODEL),
        lambda: cluster.backend().is_ready(CANDIDATE),
        cluster.backend().served,
        lambda: cluster.backend().set_traffic(MODEL, HOME, 2),
    ]
    for call in calls:
        with pytest.raises(BackendUnavailableError):
            call()
    assert STABLE == cluster.seldon.choose(f"{MODEL}.experiment", None)
    cluster.api.down = False
    assert HOME == cluster.backend().get_traffic(MODEL)
    cluster.seldon.going.set()
    assert CANARY == cluster.backend().set_traffic(MODEL, CANARY, 2)


def test_a_scheduler_that_restarts_is_waited_for(cluster: Cluster) -> None:
    """It takes the change when it is back; until then nobody is told that it has."""
    cluster.seldon.going.clear()
    cluster.api.edit("models", CANDIDATE, lambda body: body["metadata"]["labels"].update(busy="with something else"))

    def says_who_is_away() -> bool:  # its operator may take longer to notice than a short patience lasts
        with pytest.raises(TrafficNotAppliedError) as told:
            cluster.backend(SHORT).set_traffic(MODEL, CANARY, 2)
        return "Seldon's scheduler was away" in str(told.value)

    until(says_who_is_away)
    cluster.seldon.going.set()
    assert CANARY == cluster.backend().set_traffic(MODEL, CANARY, 2)


def test_the_way_home_is_kept_though_it_cannot_be_seen_yet(cluster: Cluster) -> None:
    """Home is not taken back for want of an answer: it is what comes true first."""
    cluster.backend().set_traffic(MODEL, CANARY, 2)
    cluster.seldon.going.clear()
    with pytest.raises(SplitPendingError):
        cluster.backend(SHORT).set_traffic(MODEL, HOME, 2)
    assert [{"name": STABLE, "weight": 100}] == experiment(cluster)["spec"]["candidates"]
    cluster.seldon.going.set()
    assert HOME == cluster.backend().set_traffic(MODEL, HOME, 2)


def test_going_home_takes_fields_back_and_shuts_drivers_out(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever wrote the weights last: in doubt traffic goes to the stable model, and it is said that force was used."""
    cluster.backend().set_traffic(MODEL, CANARY, 2)

    def heavier(body: Object) -> None:
        body["spec"]["candidates"] = [{"name": STABLE, "weight": 1}, {"name": CANDIDATE, "weight": 1}]

    cluster.api.edit("experiments", MODEL, heavier)
    with caplog.at_level(logging.WARNING):
        assert HOME == cluster.backend().go_home(MODEL)
    assert "taken from their owner" in caplog.text
    assert Fence(token=2, closed=True) == fence_of(experiment(cluster))
    with pytest.raises(StaleTokenError, match="brought home"):
        cluster.backend().set_traffic(MODEL, CANARY, 2)


def test_going_home_while_a_driver_waits_wins(cluster: Cluster) -> None:
    """The driver's change is not taken yet when the guard comes; the driver does not write its split back."""
    cluster.seldon.going.clear()
    raised: list[BaseException] = []

    def drive() -> None:
        try:
            cluster.backend().set_traffic(MODEL, CANARY, 2)
        except ServingError as error:
            raised.append(error)

    driver = threading.Thread(target=drive)
    driver.start()
    until(lambda: Fence(token=2) == fence_of(experiment(cluster)))
    guard = threading.Thread(target=cluster.backend().go_home, args=(MODEL,))
    guard.start()
    until(lambda: Fence(token=2, closed=True) == fence_of(experiment(cluster)))
    cluster.seldon.going.set()
    driver.join(10)
    guard.join(10)
    assert isinstance(raised[0], StaleTokenError)
    assert HOME == cluster.backend().get_traffic(MODEL)


def test_going_home_from_what_names_no_stable_model_says_so(cluster: Cluster) -> None:
    """An experiment that somebody rewrote without a default: nobody may guess who is stable."""
    cluster.api.edit("experiments", MODEL, lambda body: body["spec"].pop("default"))
    with pytest.raises(TrafficNotAppliedError, match="no default"):
        cluster.backend().go_home(MODEL)


def test_counters_that_cannot_be_read_are_an_outage(cluster: Cluster) -> None:
    """Of one Envoy that does not answer, and of a name without an address: absence is not zero."""
    for url in ("http://127.0.0.1:9/stats/prometheus", "http://mesh-stats.invalid:9003/stats/prometheus"):
        elsewhere = replace(cluster, settings=cluster.settings.model_copy(update={"mesh_stats_url": url}))
        with pytest.raises(BackendUnavailableError, match=re.escape(url.split("//")[1].split(":")[0])):
            elsewhere.backend().tallies(MODEL)


def test_counting_one_route_reads_the_models_of_that_route_alone(cluster: Cluster, tmp_path: Path) -> None:
    """A note that somebody spoiled on another route's Model blinds nobody but those who look there."""
    cluster.backend().set_traffic(MODEL, CANARY, 2)
    cluster.backend().deploy(artifact(tmp_path / "other", 7, model="other"), tmp_path / "other", "other-v7")
    assert {"other-v7"} == set(cluster.backend().tallies("other"))
    cluster.api.edit("models", "other-v7", lambda body: body["metadata"]["annotations"].update({VERSION: "{"}))
    assert {STABLE, CANDIDATE} == set(cluster.backend().tallies(MODEL))
    with pytest.raises(ServingError, match="none of ours"):
        cluster.backend().served()
    cluster.api.delete("models", "other-v7")


def test_promotion_never_leaves_the_route_without_a_model(cluster: Cluster) -> None:
    """At each step of promoting and cleaning up the route answers, and old stable goes only when nothing names it."""
    backend = cluster.backend()
    for split in (CANARY, TrafficSplit.canary(STABLE, CANDIDATE, 100), TrafficSplit.all_to(CANDIDATE)):
        backend.set_traffic(MODEL, split, 2)
        with pytest.raises(ServingError, match="in use"):
            backend.undeploy(CANDIDATE)
        assert cluster.seldon.choose(f"{MODEL}.experiment", None)
    backend.undeploy(STABLE)
    assert CANDIDATE == cluster.seldon.choose(f"{MODEL}.experiment", None)


def test_a_look_costs_one_list_of_each_kind(cluster: Cluster) -> None:
    """However many models and experiments there are: 200 and 50."""
    for number in range(200):
        cluster.api.add("models", f"their-{number}", {"storageUri": "s3://models/theirs"})
    for number in range(50):
        spec = {"candidates": [{"name": f"their-{number}", "weight": 1}]}
        cluster.api.add("experiments", f"their-{number}", spec)
    cluster.api.asked.clear()
    cluster.backend().served()
    assert {"list models": 1} == dict(cluster.api.asked)
    cluster.api.asked.clear()
    cluster.backend().set_traffic(MODEL, HOME, 2)
    assert 1 == cluster.api.asked["list models"] == cluster.api.asked["list experiments"]
    assert 4 >= cluster.api.asked["get experiments"] + cluster.api.asked["watch experiments"]
    assert 0 == cluster.api.asked["get models"]


def test_the_end_of_a_model_is_watched_not_asked_for(cluster: Cluster) -> None:
    """Seldon takes its time to unload; nobody asks it every half second whether it is done."""
    cluster.seldon.going.clear()
    cluster.api.asked.clear()
    ending = threading.Thread(target=cluster.backend().undeploy, args=(CANDIDATE,))
    ending.start()
    until(lambda: cluster.api.asked["watch models"] > 0)
    assert ending.is_alive()
    cluster.seldon.going.set()
    ending.join(timeout=10)
    assert cluster.api.read("models", CANDIDATE) is None
    assert {"get models": 2, "delete models": 1, "watch models": 1} == {
        what: times for what, times in cluster.api.asked.items() if what.endswith("models") and "list" not in what
    }


def test_the_digest_is_what_the_model_itself_says(cluster: Cluster, tmp_path: Path) -> None:
    """Also of one whose endpoint carries a split, where others answer for it."""
    version: ModelVersion = artifact(tmp_path / "same", 1)
    cluster.backend().set_traffic(MODEL, TrafficSplit.canary(STABLE, CANDIDATE, 100), 2)
    assert version.digest == cluster.backend().loaded_digest(STABLE)
    assert cluster.backend().is_ready(STABLE)


def test_the_guards_role_is_enough_for_both_ways_home(cluster: Cluster) -> None:
    """By the router, by ending the candidate, and with its lease: no other right is asked of the API on the way."""
    backend, leases = cluster.backend(), KubernetesLeases(Api(cluster.api.configuration, cluster.settings.namespace))
    now = datetime.now(UTC)
    leases.hold(
        Lease(route=MODEL, rollout="r", holder="a", candidates=(CANDIDATE,), token=2, seconds=45, renewed_at=now)
    )
    backend.set_traffic(MODEL, CANARY, 2)
    cluster.api.asked.clear()
    assert MODEL in leases.held()
    leases.surrender(MODEL, Surrender(actor="guard", reason="it fails", trigger="guard"))
    assert HOME == bring_traffic_home(backend, MODEL, [CANDIDATE], lambda: backend.go_home(MODEL)).reported
    backend.tallies(MODEL)
    backend.evict(CANDIDATE)
    leases.release(MODEL, 2)
    meaning = {"post": "create", "put": "update"}
    used = {(what, meaning.get(verb, verb)) for verb, what in map(str.split, cluster.api.asked)}
    role = of_kind(build("base"), "Role")["guard"]
    granted = {(what, verb) for rule in role["rules"] for what in rule["resources"] for verb in rule["verbs"]}
    assert used <= granted
    assert {("experiments", "patch"), ("models", "delete"), ("leases", "update"), ("leases", "delete")} <= used
