"""Deploying a project's flows; with a server: tests/e2e/test_stack.py."""

from firstflight.settings import Settings
from firstflight.stack.deploy import deploy


def test_a_project_without_deployments_needs_no_server(settings: Settings) -> None:
    """Without prefect.yaml there is nothing to do and nobody to ask."""
    assert not deploy(settings)
