"""gRPC's words in HTTP's."""

import grpc
import pytest

from firstflight.domain.calls import http_code

CLIENTS = {
    *("INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED"),
    *("FAILED_PRECONDITION", "OUT_OF_RANGE", "UNAUTHENTICATED"),
}


@pytest.mark.parametrize("status", list(grpc.StatusCode))
def test_every_status_is_a_success_a_refusal_or_a_failure(status: grpc.StatusCode) -> None:
    """Whatever is not plainly the client's mistake is the model's, a status nobody knows yet too."""
    wanted = 2 if status is grpc.StatusCode.OK else 4 if status.name in CLIENTS else 5
    assert wanted == http_code(status.value[0]) // 100
    assert 500 == http_code(99)
