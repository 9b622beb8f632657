"""The work pools on a real Prefect server; the jobs of Kubernetes are looked at in tests/manifests."""

from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient

from deployments.register import job_template, register_pool
from firstflight.settings import Settings
from tests.e2e.runs import Runs, prefect

pytestmark = pytest.mark.local


def test_registering_again_brings_the_pool_up_to_date(stack: Settings) -> None:
    """The server takes the template; a later image replaces the earlier one, and the pool stays the same pool."""
    assert stack.prefect_auth is not None
    with SyncPrefectClient(stack.prefect_api, auth_string=stack.prefect_auth.get_secret_value()) as client:
        register_pool(client, "kubernetes", "kubernetes", job_template("first:1"))
        made = client.read_work_pool("kubernetes")
        register_pool(client, "kubernetes", "kubernetes", job_template("second:2"))
        found = client.read_work_pool("kubernetes")
    assert ("kubernetes", made.id) == (found.type, found.id)
    assert job_template("second:2") == found.base_job_template


def test_whoever_starts_a_run_does_not_choose_its_command(stack: Settings, tmp_path: Path) -> None:
    """Job variables that name a program or a folder of somebody else's change nothing: the flow runs."""
    runs = Runs(stack)
    foreign = {"command": f"touch {tmp_path / 'foreign'}", "working_dir": str(tmp_path)}
    with prefect(stack) as client:
        found = client.get("/deployments/name/validate-foundation/validate-foundation").json()["id"]
        made = client.post(f"/deployments/{found}/create_flow_run", json={"job_variables": foreign}).json()
    ended = runs.ended(made["id"])
    assert "the local stack" in ended.message
    assert [] == list(tmp_path.iterdir())
