"""What every store of leases promises."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from firstflight.domain.errors import StaleTokenError
from firstflight.serving import Leases
from firstflight.serving.lease import Lease, LeaseFile, MemoryLeases, Surrender
from firstflight.serving.seldon.api import Api
from firstflight.serving.seldon.leases import KubernetesLeases
from firstflight.supervision.files import locked
from tests.doubles.kubernetes_api import NAMESPACE, KubernetesApi
from tests.real_cluster import named_cluster, own_namespace

LEASE = Lease(
    route="churn",
    rollout="churn-r1",
    holder="run-1",
    candidates=("b-predictor-v2",),
    token=5,
    seconds=45,
    renewed_at=datetime(2026, 1, 1, tzinfo=UTC),
)

WHY = Surrender(actor="ada", reason="burst of errors", trigger="person")


@pytest.fixture(params=["memory", "file", "kubernetes", pytest.param("cluster", marks=pytest.mark.cluster)])
def leases(request: pytest.FixtureRequest) -> Leases:
    """A store without leases."""
    opener: Callable[[], Leases] = request.getfixturevalue(f"{request.param}_leases")
    return opener()


@pytest.fixture
def memory_leases() -> Callable[[], Leases]:
    """Leases of this process."""
    return MemoryLeases


@pytest.fixture
def file_leases(tmp_path: Path) -> Callable[[], Leases]:
    """Leases in a file."""
    return lambda: LeaseFile(tmp_path / "leases" / "leases.json")


@pytest.fixture
def kubernetes_leases() -> Iterator[Callable[[], Leases]]:
    """Leases in a double of a Kubernetes API, over HTTP."""
    with KubernetesApi() as api:
        yield lambda: KubernetesLeases(Api(api.configuration, NAMESPACE))


@pytest.fixture
def cluster_leases() -> Iterator[Callable[[], Leases]]:
    """Leases in a real Kubernetes API."""
    with own_namespace("leases") as namespace:
        yield lambda: KubernetesLeases(Api(named_cluster(), namespace))


def test_what_is_held_is_reported(leases: Leases) -> None:
    """A lease is read back as it was written, and a renewal replaces it."""
    assert {} == leases.held()
    leases.hold(LEASE)
    assert {"churn": LEASE} == leases.held()
    later = LEASE.model_copy(update={"renewed_at": datetime(2026, 1, 2, tzinfo=UTC)})
    leases.hold(later)
    assert {"churn": later} == leases.held()


def test_a_stopped_writer_stops_nobody_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGSTOP in the middle of a write keeps the file's lock: others get an error instead of waiting for ever."""
    monkeypatch.setattr("firstflight.serving.lease.SURRENDER_SECONDS", 0.05)
    file = LeaseFile(tmp_path / "leases.json")
    file.hold(LEASE)
    with locked(tmp_path / "leases.lock"), pytest.raises(TimeoutError, match="held by another process"):
        file.surrender("churn", WHY)
    file.surrender("churn", WHY)
    assert WHY == file.held()["churn"].surrendered


def test_a_mark_from_before_it_named_who_is_read_as_the_guards(tmp_path: Path) -> None:
    """Files and annotations of earlier versions hold the reason alone."""
    told = LEASE.model_dump(mode="json") | {"surrendered": "harm"}
    (tmp_path / "leases.json").write_text(json.dumps({"churn": told}))
    marked = LeaseFile(tmp_path / "leases.json").held()["churn"].surrendered
    assert Surrender(actor="guard", reason="harm", trigger="guard") == marked


def test_routes_are_independent(leases: Leases) -> None:
    """One model's lease is not another's."""
    other = LEASE.model_copy(update={"route": "volatility", "token": 1})
    leases.hold(LEASE)
    leases.hold(other)
    leases.surrender("churn", WHY)
    leases.release("churn", 5)
    assert {"volatility": other} == leases.held()


def test_an_older_driver_cannot_renew(leases: Leases) -> None:
    """The newest token holds the lease."""
    leases.hold(LEASE)
    newer = LEASE.model_copy(update={"token": 9, "holder": "run-2"})
    leases.hold(newer)
    with pytest.raises(StaleTokenError):
        leases.hold(LEASE)
    assert {"churn": newer} == leases.held()


def test_renewing_makes_no_lease(leases: Leases) -> None:
    """A driver who was frozen while his rollout ended holds nothing when he thaws; else renewing is as holding."""
    with pytest.raises(StaleTokenError, match="has no lease any more"):
        leases.renew(LEASE)
    assert {} == leases.held()
    leases.hold(LEASE)
    later = LEASE.model_copy(update={"seconds": 900})
    leases.renew(later)
    assert {"churn": later} == leases.held()
    with pytest.raises(StaleTokenError, match="older than"):
        leases.renew(LEASE.model_copy(update={"token": 4}))
    leases.surrender("churn", WHY)
    with pytest.raises(StaleTokenError, match="burst of errors"):
        leases.renew(LEASE)
    leases.release("churn", 5)
    with pytest.raises(StaleTokenError):
        leases.renew(LEASE)


def test_a_surrendered_rollout_cannot_renew(leases: Leases) -> None:
    """Whatever its token; the first reason stays; another rollout of the route may begin."""
    leases.hold(LEASE)
    marked = leases.surrender("churn", WHY)
    assert marked == leases.surrender("churn", Surrender(actor="guard", reason="something else", trigger="guard"))
    assert leases.held() == {"churn": marked}
    for token in (5, 6):
        with pytest.raises(StaleTokenError, match="burst of errors"):
            leases.hold(LEASE.model_copy(update={"token": token}))
    assert WHY == leases.held()["churn"].surrendered
    following = LEASE.model_copy(update={"rollout": "churn-r2", "token": 7})
    leases.hold(following)
    assert {"churn": following} == leases.held()


def test_releasing_is_the_holders_or_a_newer_ones(leases: Leases) -> None:
    """An older driver's release is without effect, as is that of no lease."""
    leases.release("churn", 1)
    assert leases.surrender("churn", WHY) is None
    leases.hold(LEASE)
    leases.release("churn", 4)
    assert {"churn": LEASE} == leases.held()
    leases.release("churn", 6)
    assert {} == leases.held()
