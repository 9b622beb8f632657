"""Many who write one object at once."""

import threading
from datetime import UTC, datetime

import pytest

from firstflight.domain.errors import BackendUnavailableError
from firstflight.serving.lease import Lease
from firstflight.serving.seldon.api import Api, Outdated, swap
from firstflight.serving.seldon.leases import KubernetesLeases
from tests.doubles.kubernetes_api import NAMESPACE, KubernetesApi


def test_six_writers_of_one_lease_all_come_to_an_end() -> None:
    """With equal tokens, again and again: who met another waits for a time of its own."""
    failed: list[Exception] = []

    def hold(leases: KubernetesLeases, number: int) -> None:
        try:
            for _ in range(5):
                leases.hold(
                    Lease(
                        route="m",
                        rollout="m-r1",
                        holder=f"run-{number}",
                        candidates=(),
                        token=1,
                        seconds=30,
                        renewed_at=datetime.now(UTC),
                    )
                )
        except BackendUnavailableError as error:
            failed.append(error)

    with KubernetesApi() as api:
        leases = KubernetesLeases(Api(api.configuration, NAMESPACE))
        writers = [threading.Thread(target=hold, args=(leases, number)) for number in range(6)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
    assert [] == failed


def test_what_others_write_all_the_time_ends_clearly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounded, with pauses that grow and differ, and the error says how often it was tried."""
    pauses: list[float] = []
    monkeypatch.setattr("firstflight.serving.seldon.api.time.sleep", pauses.append)

    def write(_: int) -> None:
        raise Outdated

    with pytest.raises(BackendUnavailableError, match="m: its lease was changed by others in each of 8 tries"):
        swap("m: its lease", 0, write, lambda: 0)
    assert len(set(pauses)) == len(pauses) == 8
    assert all(pause <= 0.01 * 2**tried for tried, pause in enumerate(pauses))
