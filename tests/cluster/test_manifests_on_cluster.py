"""Every overlay, said to a real API server with Seldon's real CRDs, strictly and without doing it."""

import json

import pytest

from deployments.local_secrets import local_secrets
from tests.manifests.objects import OVERLAYS, Object, build
from tests.real_cluster import Kubectl

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("namespaces")]

DRY_RUN = (
    "apply",
    "--server-side",
    "--field-manager=firstflight-test",
    "--dry-run=server",
    "--validate=strict",
    "--force-conflicts",
    "-f-",
)


def refused(kubectl: Kubectl, objects: list[Object]) -> str:
    """Return what the API server says against the objects: errors, and warnings of the pod standard."""
    done = kubectl(*DRY_RUN, given=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    return (
        done.stderr.strip()
        if done.returncode
        else "\n".join(
            line for line in done.stderr.splitlines() if "would violate PodSecurity" in line or "unknown field" in line
        )
    )


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_taken(kubectl: Kubectl, overlay: str) -> None:
    """The API server takes every object of the overlay, no field unknown, every pod within the restricted standard."""
    assert refused(kubectl, build(f"overlays/{overlay}")) == ""


def test_the_doctors_role_beside_the_operator_is_taken(kubectl: Kubectl) -> None:
    """The role in the operator's namespace is valid there."""
    assert refused(kubectl, build("extras/operator-access")) == ""


def test_monitoring_is_taken(kubectl: Kubectl) -> None:
    """Where the Prometheus operator's kinds exist, the monitors and alerts are valid."""
    if kubectl("get", "crd", "podmonitors.monitoring.coreos.com", "prometheusrules.monitoring.coreos.com").returncode:
        pytest.skip("the cluster lacks the Prometheus operator's CRDs")
    assert refused(kubectl, build("extras/monitoring")) == ""


def test_local_secrets_are_taken(kubectl: Kubectl) -> None:
    """The Secrets of the local overlay are valid."""
    assert refused(kubectl, local_secrets()) == ""


def test_an_unknown_field_is_refused(kubectl: Kubectl) -> None:
    """The check is a check: a step of a pipeline with the field `outputs`, which does not exist, is not taken."""
    spec = {"steps": [{"name": "router", "outputs": ["a"]}]}
    metadata = {"name": "strictness", "namespace": "firstflight"}
    pipeline = {"apiVersion": "mlops.seldon.io/v1alpha1", "kind": "Pipeline", "metadata": metadata, "spec": spec}
    assert "outputs" in refused(kubectl, [pipeline])
