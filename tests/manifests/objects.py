"""What the manifests say, as the tests look at it."""

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
OVERLAYS = ("local", "staging", "production")
EXTRAS = ("extras/monitoring", "extras/operator-access", "extras/slack")
BUILDS = ("base", *(f"overlays/{name}" for name in OVERLAYS), *EXTRAS)
KUBECTL = Path(sys.executable).with_name("kubectl")
SELDON = "mlops.seldon.io/v1alpha1"

Object = dict[str, Any]


@cache
def _built(path: str) -> str:
    built = subprocess.run(
        [KUBECTL, "kustomize", ROOT / "k8s" / path], capture_output=True, text=True, check=False, timeout=60
    )
    assert built.returncode == 0, built.stderr
    return json.dumps(list(yaml.safe_load_all(built.stdout)))


def build(path: str) -> list[Object]:
    """Return the objects that `k8s/<path>` builds."""
    objects: list[Object] = json.loads(_built(path))
    return objects


def of_kind(objects: list[Object], kind: str) -> dict[str, Object]:
    """Return the objects of `kind` by name."""
    return {each["metadata"]["name"]: each for each in objects if each["kind"] == kind}


@dataclass(frozen=True)
class Pod:
    """A pod that an object makes; `ours` when its image is."""

    owner: str
    labels: dict[str, str]
    spec: Object
    replicas: int
    ours: bool

    @property
    def containers(self) -> list[Object]:
        """All its containers, those that run first included."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]


SELDON_PODS = {
    "seldon-scheduler",
    "seldon-envoy",
    "seldon-modelgateway",
    "seldon-pipelinegateway",
    "seldon-dataflow-engine",
    "seldon-server",
}


def pods(objects: list[Object]) -> Iterator[Pod]:
    """Yield the pods of `objects`: our own workloads', and those the operator makes of a runtime and its servers."""
    for each in objects:
        name, spec = each["metadata"]["name"], each.get("spec", {})
        match each["kind"]:
            case "Deployment" | "StatefulSet":
                template = spec["template"]
                yield Pod(name, template["metadata"]["labels"], template["spec"], spec["replicas"], ours=True)
            case "CronJob":
                template = spec["jobTemplate"]["spec"]["template"]
                yield Pod(name, template["metadata"]["labels"], template["spec"], 1, ours=True)
            case "Server":
                labels = {"app.kubernetes.io/name": "seldon-server"}
                yield Pod(name, labels, spec["podSpec"], spec["replicas"], ours=False)
            case "SeldonRuntime":
                for override in spec["overrides"]:
                    if not override.get("disable"):
                        labels = {"app.kubernetes.io/name": override["name"]}
                        yield Pod(override["name"], labels, override["podSpec"], override["replicas"], ours=False)


def identity(each: Object) -> tuple[str, str, str]:
    """Return what makes an object the same one in another build."""
    return each["apiVersion"], each["kind"], each["metadata"]["name"]


def whole_pod(pod: Pod) -> Object:
    """Return the pod with what the operator's own configuration adds: an image for each container."""
    spec = copy.deepcopy(pod.spec)
    for container in spec["containers"]:
        container.setdefault("image", "set-by-the-operator:0.0.0")
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod.owner, "labels": pod.labels}, "spec": spec}
