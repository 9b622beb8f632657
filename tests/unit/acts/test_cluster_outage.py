"""A whole rollout on a cluster, by a clock of its own, while the Kubernetes API goes away for two minutes."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from firstflight.acts.start import resume_or_start
from firstflight.decision.decide import Decision
from firstflight.domain.errors import BackendUnavailableError
from firstflight.domain.samples import Look
from firstflight.domain.versions import ModelVersion
from firstflight.guard.guard import Guard
from firstflight.rollout.machine import Phase, rollouts, stream
from firstflight.serving.seldon.api import Api
from firstflight.serving.seldon.leases import KubernetesLeases
from tests.doubles.kubernetes_api import NAMESPACE
from tests.seldon_bench import Cluster, seldon_cluster
from tests.serving_bench import artifact
from tests.unit.acts.twin import MODEL, PLAN, Twin, drive

AWAY_SECONDS = 120.0


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """An empty cluster."""
    with seldon_cluster() as found:
        yield found


class OnCluster(Twin):
    """A twin whose models are served by a cluster; its clients never meet the API, only what it last put in force."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        leases = KubernetesLeases(Api(cluster.api.configuration, NAMESPACE))
        self.world = replace(self.world, backend=cluster.backend(), leases=leases)

    def settle(self) -> None:
        """Have the clients ask by the last split that the API told of."""
        with suppress(BackendUnavailableError):
            if (split := self.world.backend.get_traffic(MODEL)) is not None:
                self.backend.splits[MODEL] = split
        super().settle()

    def register(self, variant: str, tags: Mapping[str, str] = MappingProxyType({})) -> ModelVersion:
        """Register a version that a server can really load."""
        artifact(self.folder / variant, 1, variant=variant, model=MODEL)
        version = self.registry.register(MODEL, variant, self.folder / variant, tags)
        self.backend.versions[version.served_name] = version
        return version


@pytest.mark.parametrize("since", [5.0, 50.0])
def test_two_minutes_without_the_api_change_nothing(cluster: Cluster, tmp_path: Path, since: float) -> None:
    """At whatever stage: nobody crashes, no stage is skipped, no guard takes silence for death; it ends promoted."""
    twin = OnCluster(cluster, tmp_path)
    twin.champion()
    plan = PLAN.model_copy(update={"candidate": twin.candidate().number, "no_data_seconds": 300})
    begun = twin.time.now

    def monotonic() -> float:
        return twin.time.now

    guard = Guard(twin.world, monotonic=monotonic)
    unseen: list[float] = []

    def wait(seconds: float) -> None:
        away = since <= twin.time.now - begun < since + AWAY_SECONDS
        if away and not cluster.api.down:  # so that it knows the very last renewal before the outage
            assert () == guard.round()
        cluster.api.down = away
        if away:
            unseen.append(seconds)
        twin.wait(seconds)
        assert () == guard.round()

    checked: list[Look] = []

    def show(look: Look, _decision: Decision) -> None:
        assert not cluster.api.down
        checked.append(look)

    world = replace(twin.world, wait=wait, show=show)
    ended = drive(world, resume_or_start(world, plan, run="run-1"))
    assert Phase.PROMOTED is ended.phase
    assert sum(unseen) >= AWAY_SECONDS - PLAN.check_seconds
    assert checked
    told = [record for record in twin.world.ledger.read(stream(MODEL)) if record.kind == "stage.entered"]
    assert list(plan.stages) == [record.body["stage"] for record in told]
    [only] = rollouts(twin.world.ledger.read(stream(MODEL)))
    assert only == ended
    assert {} == twin.world.leases.held()
