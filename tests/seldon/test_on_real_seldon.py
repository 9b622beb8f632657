"""Splits and whole rollouts on a real Seldon Core, under traffic: `make test-seldon`."""

from contextlib import closing

import boto3
import pytest

from firstflight.domain.faults import Fault
from firstflight.domain.findings import Status
from firstflight.domain.traffic import TrafficSplit
from firstflight.rollout.machine import Phase
from firstflight.serving.seldon.configuration import open_api
from firstflight.serving.seldon.diagnosis.examination import examine
from firstflight.serving.seldon.objects import name_of
from tests.seldon_real import Approving, Bench, asking
from tests.serving_bench import MODEL, artifact, until

pytestmark = pytest.mark.seldon


def test_a_hundred_splits_change_under_load(bench: Bench) -> None:
    """Each is proved by requests, and none of the clients' fails."""
    backend, stable = bench.world.backend, bench.world.registry.get(MODEL, "champion").served_name
    version = artifact(bench.folder / "other", 9, variant="enhanced")
    backend.deploy(version, bench.folder / "other")
    token = 1  # the ledger's first record
    with asking(bench.settings.gateway_url) as clients:
        for number in range(100):
            percent = (5, 10, 25, 50, 75, 100, 0)[number % 7]
            split = TrafficSplit.canary(stable, version.served_name, percent)
            assert split == backend.set_traffic(MODEL, split, token)
            assert split == backend.get_traffic(MODEL)
        assert TrafficSplit.all_to(stable) == backend.go_home(MODEL)
    assert [] == clients.failed
    backend.undeploy(version.served_name)


def test_the_doctor_says_what_is_so(bench: Bench) -> None:
    """Nothing fails while all is well; an object that is gone from the bucket is one line, of that model."""
    assert [] == [one for one in examine(bench.settings) if one.status is Status.FAIL]
    champion = bench.world.registry.get(MODEL, "champion").served_name
    [uri] = [one["spec"]["storageUri"] for one in open_api(bench.settings).list("models") if name_of(one) == champion]
    bucket, _, key = uri.partition("://")[2].partition("/")
    with closing(boto3.client("s3")) as store:
        held = [one["Key"] for one in store.list_objects_v2(Bucket=bucket, Prefix=key)["Contents"]]
        bodies = {name: store.get_object(Bucket=bucket, Key=name)["Body"].read() for name in held}
        for name in held:
            store.delete_object(Bucket=bucket, Key=name)
        found = [(one.id, one.subject) for one in examine(bench.settings) if one.status is Status.FAIL]
        for name, body in bodies.items():
            store.put_object(Bucket=bucket, Key=name, Body=body)
    assert [("artifact-gone", f"Model {champion}")] == found


def test_a_sound_candidate_is_promoted(bench: Bench) -> None:
    """Stage by stage, each with a person's word, and no client's request fails."""
    acts = Approving(bench.world)
    with asking(bench.settings.gateway_url) as clients:
        ended = bench.rollout(acts=acts, approvals=(25, 100))
    assert (Phase.PROMOTED, []) == (ended.phase, clients.failed), ended.reasons
    assert [25, 100] == acts.asked
    split = bench.world.backend.get_traffic(MODEL)
    assert split is not None
    assert 100 == split.percent(ended.candidate.served_name)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="errors", share=0.3),
        Fault(kind="errors"),
        Fault(kind="latency", milliseconds=600.0),
        Fault(kind="latency", milliseconds=60_000.0),
    ],
    ids=["errs", "errs always", "slow", "hangs"],
)
def test_a_bad_candidate_is_brought_home(bench: Bench, fault: Fault) -> None:
    """By the driver itself, with proof, and the reason is kept."""
    with asking(bench.settings.gateway_url):
        ended = bench.rollout(fault)
    assert Phase.ROLLED_BACK is ended.phase
    assert ended.reasons
    assert bench.is_home(ended)


def test_what_was_deployed_can_be_ended(bench: Bench) -> None:
    """No ghost is left: the mesh leads to the champion alone."""
    backend, champion = bench.world.backend, bench.world.registry.get(MODEL, "champion")
    backend.set_traffic(MODEL, TrafficSplit.all_to(champion.served_name), 10_000)
    for name in backend.served() - {champion.served_name}:
        backend.undeploy(name)
    until(lambda: frozenset({champion.served_name}) == backend.served())
