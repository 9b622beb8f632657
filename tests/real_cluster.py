"""What tests of a real API server share: who finds it, a namespace of one's own, and Seldon's part played there.

Nothing here needs a running pod or an image. The API, its storage and Seldon's CRDs are real; the operator and the mesh
are the double of `tests.doubles.seldon`.
"""

import copy
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import pytest
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from firstflight.serving.seldon.configuration import configuration
from tests.doubles.kubernetes_api import Object

KUBECTL = Path(sys.executable).with_name("kubectl")
GROUP, VERSION = "mlops.seldon.io", "v1alpha1"
Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]


def run_kubectl(*words: str, given: str | None = None) -> "subprocess.CompletedProcess[str]":
    """Run kubectl on the cluster that KUBECONFIG names."""
    return subprocess.run(
        [KUBECTL, "--request-timeout=30s", *words],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def require_cluster() -> None:
    """Skip when KUBECONFIG names no cluster, or one without Seldon's kinds."""
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG names no cluster")
    kinds = [f"{kind}.{GROUP}" for kind in ("models", "experiments", "seldonruntimes")]
    found = run_kubectl("get", "crd", *kinds)
    if found.returncode:
        pytest.skip(f"the cluster of KUBECONFIG lacks Seldon's CRDs: {found.stderr.strip()[-300:]}")


def named_cluster() -> client.Configuration:
    """How to reach the cluster of KUBECONFIG."""
    return configuration(os.environ.get("FIRSTFLIGHT_KUBE_CONTEXT"))


@contextmanager
def own_namespace(purpose: str) -> Iterator[str]:
    """Make a namespace, and end it with the block; skip without a cluster."""
    require_cluster()
    name = f"{purpose}-{secrets.token_hex(4)}"
    made = run_kubectl("create", "namespace", name)
    assert made.returncode == 0, made.stderr
    try:
        yield name
    finally:
        run_kubectl("delete", "namespace", name, "--wait=false")


class OperatedNamespace:
    """What an operator does to the Models and Experiments of one namespace: see them change, report their status.

    `changed` is called for each that is new, has another generation, is to end, or has gone.
    """

    def __init__(self, reached: client.Configuration, namespace: str) -> None:
        self.changed: Callable[[str, str], None] = lambda _plural, _name: None
        self._place = {"group": GROUP, "version": VERSION, "namespace": namespace}
        self._api: Any = client.CustomObjectsApi(client.ApiClient(reached))
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop looking, and let everything go: nobody else removes the finalizers."""
        self._ended.set()
        self._thread.join(timeout=30)
        for plural in ("experiments", "models"):
            for name in self._generations(plural):
                self.report(plural, name, lambda body: body["metadata"].pop("finalizers", None))

    def read(self, plural: str, name: str) -> Object | None:
        """Return an object."""
        try:
            found: Object = self._api.get_namespaced_custom_object(plural=plural, name=name, **self._place)
        except ApiException as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise
        return found

    def report(self, plural: str, name: str, change: Callable[[Object], None]) -> None:
        """Change status or finalizers; whoever wrote in between is read again."""
        while (body := self.read(plural, name)) is not None:
            wanted = copy.deepcopy(body)
            change(wanted)
            try:
                self._write(plural, name, body, wanted)
            except ApiException as error:
                if error.status in {HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND}:
                    continue
                raise
            return

    def _write(self, plural: str, name: str, body: Object, wanted: Object) -> None:
        where = {"plural": plural, "name": name, **self._place}
        version = body["metadata"]["resourceVersion"]
        finalizers = wanted["metadata"].get("finalizers")
        if finalizers != body["metadata"].get("finalizers"):
            given = {"metadata": {"finalizers": finalizers, "resourceVersion": version}}
            body = self._api.patch_namespaced_custom_object(body=given, **where)
            version = body["metadata"]["resourceVersion"]
        if wanted.get("status") != body.get("status"):
            given = {"metadata": {"resourceVersion": version}, "status": wanted["status"]}
            self._api.patch_namespaced_custom_object_status(body=given, **where)

    def _look(self) -> None:
        known: dict[tuple[str, str], tuple[int, bool]] = {}
        while not self._ended.wait(0.05):
            now = {
                (plural, name): state
                for plural in ("models", "experiments")
                for name, state in self._generations(plural).items()
            }
            for one in {*known, *now}:
                if known.get(one) != now.get(one):
                    self.changed(*one)
            known = now

    def _generations(self, plural: str) -> dict[str, tuple[int, bool]]:
        items = self._api.list_namespaced_custom_object(plural=plural, **self._place)["items"]
        return {
            one["metadata"]["name"]: (one["metadata"]["generation"], "deletionTimestamp" in one["metadata"])
            for one in items
        }
