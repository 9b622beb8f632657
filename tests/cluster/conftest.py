"""A real API server, named by KUBECONFIG. Nothing here needs a running pod or an image."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

KUBECTL = Path(sys.executable).with_name("kubectl")

Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def kubectl() -> Kubectl:
    """Return kubectl on the cluster that KUBECONFIG names; skip without one, or without Seldon's kinds there."""
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG names no cluster")

    def run(*words: str, given: str | None = None) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [KUBECTL, "--request-timeout=30s", *words],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    found = run("get", "crd", "models.mlops.seldon.io", "experiments.mlops.seldon.io", "seldonruntimes.mlops.seldon.io")
    if found.returncode:
        pytest.skip(f"the cluster of KUBECONFIG lacks Seldon's CRDs: {found.stderr.strip()[-300:]}")
    return run


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
