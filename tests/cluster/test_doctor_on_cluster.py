"""The doctor on a real API server with Seldon's CRDs; no operator, no pod and no image is needed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.manifests.objects import build
from tests.real_cluster import Kubectl, own_namespace

pytestmark = pytest.mark.cluster

ACCOUNT = "looks-only"


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    """A namespace of this module's own."""
    with own_namespace("doctor") as name:
        yield name


def doctor(namespace: str, **variables: str) -> tuple[int, dict[str, Any]]:
    """Return the exit code and the JSON of the command, as a machine calls it; only the cluster is there."""
    nowhere = {
        "FIRSTFLIGHT_BACKEND": "seldon",
        "FIRSTFLIGHT_NAMESPACE": namespace,
        "FIRSTFLIGHT_OPERATOR_NAMESPACE": f"{namespace}-operator",
        "FIRSTFLIGHT_MESH_URL": "http://127.0.0.1:9",
        "FIRSTFLIGHT_PROMETHEUS_URL": "http://127.0.0.1:9",
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
        "FIRSTFLIGHT_DATABASE_URL": "postgresql://nobody@127.0.0.1:9",
    }
    done = subprocess.run(
        [sys.executable, "-m", "firstflight.cli.main", "doctor", "--json"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **nowhere, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def ids(report: dict[str, Any], status: str) -> set[str]:
    """Return the ids of the findings with this status."""
    return {one["id"] for one in report["findings"] if one["status"] == status}


def test_an_empty_namespace(namespace: str) -> None:
    """The API and the CRDs pass, all else is told as failing, and the exit code is 1."""
    code, report = doctor(namespace)
    assert 1 == code
    assert {"api", "crds"} <= ids(report, "pass")
    assert {"runtime-missing", "prometheus-unreachable", "prefect-unreachable"} <= ids(report, "fail")
    assert ids(report, "fail") & {"server-missing", "server-elsewhere"}
    assert "cannot-see" not in ids(report, "warn")


def test_a_model_that_no_server_takes(kubectl: Kubectl, namespace: str) -> None:
    """A real object with the state that the scheduler would write leads to the cause: a requirement nobody offers."""
    objects = [
        _object("Server", "doctored", {"serverConfig": "mlserver", "replicas": 1, "capabilities": ["mlserver"]}),
        _object("Model", "doctored", {"storageUri": "s3://a/b", "requirements": ["onnx"]}),
    ]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    made = kubectl("apply", "--server-side", "-n", namespace, "-f-", given=listed)
    assert made.returncode == 0, made.stderr
    text = "Failed to schedule model as no matching servers are available"
    at = "2026-03-02T12:00:00Z"
    state = {"type": "ModelReady", "status": "False", "reason": text, "message": "ScheduleFailed"}
    status = json.dumps({"status": {"conditions": [{**state, "lastTransitionTime": at}]}})
    words = ("patch", "model", "doctored", "-n", namespace, "--subresource=status", "--type=merge", "-p", status)
    told = kubectl(*words)
    assert told.returncode == 0, told.stderr

    code, report = doctor(namespace)
    about = {one["subject"]: one["id"] for one in report["findings"]}
    assert (1, "model-requirement") == (code, about["Model doctored"])
    assert about["Server doctored"].startswith("server-")


def test_an_account_without_rights_and_one_with_the_role(kubectl: Kubectl, namespace: str, tmp_path: Path) -> None:
    """Without rights every list is a warning that names the right; the Role `doctor` is enough for the namespace."""
    account = f"system:serviceaccount:{namespace}:{ACCOUNT}"
    if kubectl("auth", "can-i", "list", "pods", "-n", namespace, f"--as={account}").stdout.strip() == "yes":
        pytest.skip("the API server does not ask for rights")
    assert kubectl("create", "serviceaccount", ACCOUNT, "-n", namespace).returncode == 0
    issued = kubectl("create", "token", ACCOUNT, "-n", namespace)
    if issued.returncode:
        pytest.skip(f"the API server issues no tokens: {issued.stderr.strip()}")
    named = json.loads(kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json").stdout)
    named["users"][0]["user"] = {"token": issued.stdout.strip()}
    (tmp_path / "kubeconfig").write_text(json.dumps(named))

    code, report = doctor(namespace, KUBECONFIG=str(tmp_path / "kubeconfig"))
    refused = [one["fix"] for one in report["findings"] if one["id"] == "cannot-see"]
    assert 1 == code
    assert any(f"verb list on pods in namespace {namespace}" in fix for fix in refused)

    [role] = [one for one in build("base") if one["kind"] == "Role" and one["metadata"]["name"] == "doctor"]
    role["metadata"] = {"name": "doctor", "namespace": namespace}
    assert kubectl("apply", "--server-side", "-f-", given=json.dumps(role)).returncode == 0
    words = ("create", "rolebinding", "doctor", "--role=doctor", f"--serviceaccount={namespace}:{ACCOUNT}")
    assert kubectl(*words, "-n", namespace).returncode == 0
    _, report = doctor(namespace, KUBECONFIG=str(tmp_path / "kubeconfig"))
    refused = [one["subject"] for one in report["findings"] if one["id"] == "cannot-see"]
    assert [f"serverconfigs in namespace {namespace}-operator"] == refused


def _object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "mlops.seldon.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
