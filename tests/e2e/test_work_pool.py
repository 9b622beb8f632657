"""The Kubernetes work pool on a real Prefect server; its jobs are looked at in tests/manifests."""

import pytest
from prefect.client.orchestration import SyncPrefectClient

from deployments.register import job_template, register_pool
from firstflight.settings import Settings

pytestmark = pytest.mark.local


def test_registering_again_brings_the_pool_up_to_date(stack: Settings) -> None:
    """The server takes the template; a later image replaces the earlier one, and the pool stays the same pool."""
    with SyncPrefectClient(stack.prefect_api, auth_string=stack.prefect_auth.get_secret_value()) as client:
        register_pool(client, "kubernetes", "first:1")
        made = client.read_work_pool("kubernetes")
        register_pool(client, "kubernetes", "second:2")
        found = client.read_work_pool("kubernetes")
    assert ("kubernetes", made.id) == (found.type, found.id)
    assert job_template("kubernetes", "second:2") == found.base_job_template
