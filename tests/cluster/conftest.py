"""A real API server, named by KUBECONFIG. Nothing here needs a running pod or an image."""

from collections.abc import Iterator

import pytest

from tests.real_cluster import Kubectl, require_cluster, run_kubectl


@pytest.fixture(scope="session")
def kubectl() -> Kubectl:
    """Return kubectl on the cluster that KUBECONFIG names; skip without one, or without Seldon's kinds there."""
    require_cluster()
    return run_kubectl


@pytest.fixture(scope="session")
def namespaces(kubectl: Kubectl) -> Iterator[None]:
    """Make the namespaces that manifests name, since a dry run makes none; those that were there stay."""
    restricted = [f"pod-security.kubernetes.io/{mode}=restricted" for mode in ("enforce", "warn")]
    made = [name for name in ("firstflight", "seldon-system") if kubectl("create", "namespace", name).returncode == 0]
    try:
        if "firstflight" in made:
            labelled = kubectl("label", "namespace", "firstflight", *restricted)
            assert labelled.returncode == 0, labelled.stderr
        yield
    finally:
        for name in made:
            kubectl("delete", "namespace", name, "--wait=false")
