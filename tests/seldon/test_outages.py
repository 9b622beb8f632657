"""Rollouts on a real Seldon Core of which parts die: `make test-seldon`, where `SELDON_DO` says how they are killed."""

import time

import pytest

from firstflight.domain.faults import Fault
from firstflight.domain.findings import Status
from firstflight.domain.traffic import TrafficSplit
from firstflight.rollout.machine import Phase
from firstflight.serving.seldon.configuration import open_api
from firstflight.serving.seldon.counters import Counters
from firstflight.serving.seldon.diagnosis.examination import examine
from tests.seldon_real import Bench, Break, asking
from tests.serving_bench import MODEL, artifact, until

pytestmark = pytest.mark.seldon
OUTAGE_SECONDS = 20.0
THREADS = 6


def an_outage(do: Break, part: str) -> None:
    """Kill a part, and have it back after a while."""
    do("kill", part)
    time.sleep(OUTAGE_SECONDS)
    do("start", part)


def test_a_scheduler_that_dies_in_mid_stage_ends_no_rollout(bench: Bench, do: Break) -> None:
    """The stage goes on, the next one comes into force once the scheduler is back, and no request fails."""
    with (
        asking(bench.settings.gateway_url, THREADS) as clients,
        bench.once("stage.entered", lambda: an_outage(do, "scheduler")),
    ):
        ended = bench.rollout(stage_seconds=300, min_stage_seconds=60)
    assert (Phase.PROMOTED, []) == (ended.phase, clients.failed), ended.reasons


@pytest.mark.parametrize("when", ["stage.entered", "rollback.intended"])
def test_a_scheduler_that_dies_holds_a_way_home_up_and_does_not_end_it(bench: Bench, do: Break, when: str) -> None:
    """Killed before the roll back or in mid of it: traffic is home once it is back, and no ghost of a model is left."""
    with asking(bench.settings.gateway_url, THREADS), bench.once(when, lambda: an_outage(do, "scheduler")):
        ended = bench.rollout(Fault(kind="errors", share=0.3))
    assert Phase.ROLLED_BACK is ended.phase
    assert "error rate" in "; ".join(ended.reasons)
    assert bench.is_home(ended)
    routed = Counters(bench.settings.mesh_stats_url, 5.0)
    until(lambda: routed.models() <= bench.world.backend.served())


@pytest.mark.parametrize("part", ["replica", "agent"])
def test_a_replica_that_dies_ends_no_rollout(bench: Bench, do: Break, part: str) -> None:
    """Each in turn, so that both models lose theirs: they are placed anew, and what fails was on its way there.

    A thousand answers lie between two deaths: whoever loses every server within seconds is brought home, rightly.
    """

    def deaths() -> None:
        for number in range(3):
            before = len(clients.answered)
            until(lambda before=before: len(clients.answered) > before + 1000)
            do("kill", f"{part}-{number}")
            do("start", f"{part}-{number}")

    with asking(bench.settings.gateway_url, THREADS) as clients, bench.once("stage.entered", deaths):
        ended = bench.rollout(stage_seconds=300, min_stage_seconds=90)
    assert Phase.PROMOTED is ended.phase, ended.reasons
    assert len(clients.failed) <= 3 * THREADS, clients.failed


@pytest.fixture
def split(bench: Bench) -> TrafficSplit:
    """The champion and another, half and half; placed anew, where most room is, it is not beside the champion."""
    backend, champion = bench.world.backend, bench.world.registry.get(MODEL, "champion").served_name
    files = bench.folder / f"beside-{time.monotonic_ns()}"
    version = artifact(files, 99, variant="enhanced", says=0.3)
    if version.served_name in backend.served():
        backend.go_home(MODEL)
        backend.undeploy(version.served_name)
    backend.deploy(version, files)
    return TrafficSplit.canary(champion, version.served_name, 50)


def test_a_dead_agent_holds_no_split_up(bench: Bench, do: Break, split: TrafficSplit) -> None:
    """Whoever loses it: the split is set, and brought home, within the usual patience."""
    backend = bench.world.backend
    for number in range(3):
        do("kill", f"agent-{number}")
        assert split == backend.set_traffic(MODEL, split, 20_000 + 10 * number)
        assert TrafficSplit.all_to(split.stable) == backend.go_home(MODEL)
        do("start", f"agent-{number}")


def test_an_agent_that_hangs_is_found_and_holds_no_way_home_up(bench: Bench, do: Break, split: TrafficSplit) -> None:
    """Its pod is ready and its Model available; the doctor asks the mesh. Whose it was is brought home all the same."""
    backend, [candidate] = bench.world.backend, set(split.weights) - {split.stable}
    for number in range(3):
        backend.set_traffic(MODEL, split, 30_000 + 10 * number)
        do("freeze", f"agent-{number}")
        try:
            found = [one.found for one in examine(bench.settings) if one.status is Status.FAIL]
            if any(f"{candidate} is not reached" in one for one in found):
                assert TrafficSplit.all_to(split.stable) == backend.go_home(MODEL)
                return
        finally:
            do("thaw", f"agent-{number}")
    pytest.fail("no agent of the three is the candidate's")


def test_the_doctor_names_a_dead_scheduler_and_what_it_forgot_can_be_ended(
    bench: Bench, do: Break, split: TrafficSplit
) -> None:
    """A Model deleted meanwhile may stay loaded, unknown to the API: it is named then, and undeploying it ends it."""
    backend, [forgotten] = bench.world.backend, set(split.weights) - {split.stable}
    backend.set_traffic(MODEL, TrafficSplit.all_to(split.stable), 40_000)
    do("kill", "scheduler")
    until(lambda: "scheduler-lost" in failing(bench))
    open_api(bench.settings).delete("models", forgotten)
    do("start", "scheduler")
    until(lambda: forgotten not in backend.served() and "scheduler-lost" not in failing(bench))
    until(lambda: {"model-ghost": f"Model {forgotten}"}.items() >= failing(bench).items())
    backend.undeploy(forgotten)
    until(lambda: {} == failing(bench))
    assert forgotten not in Counters(bench.settings.mesh_stats_url, 5.0).models()


def failing(bench: Bench) -> dict[str, str]:
    """Return what the doctor calls failing: of which kind, and what."""
    return {one.id: one.subject for one in examine(bench.settings) if one.status is Status.FAIL}
