"""A real API server, named by KUBECONFIG. Nothing here needs a running pod or an image."""

import pytest

from tests.real_cluster import Kubectl, require_cluster, run_kubectl


@pytest.fixture(scope="session")
def kubectl() -> Kubectl:
    """Return kubectl on the cluster that KUBECONFIG names; skip without one, or without Seldon's kinds there."""
    require_cluster()
    return run_kubectl


@pytest.fixture(scope="session")
def namespaces(kubectl: Kubectl) -> None:
    """Make the namespaces that manifests name, since a dry run makes none; they stay.

    Where no controller ends namespaces, one that was deleted would be in the way of the next run for ever.
    """
    restricted = [f"pod-security.kubernetes.io/{mode}=restricted" for mode in ("enforce", "warn")]
    made = [name for name in ("firstflight", "seldon-system") if kubectl("create", "namespace", name).returncode == 0]
    if "firstflight" in made:
        labelled = kubectl("label", "namespace", "firstflight", *restricted)
        assert labelled.returncode == 0, labelled.stderr
