"""Objects of a namespace in which all is well, as the Kubernetes API shows them; tests break one at a time."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

from firstflight.serving.seldon.diagnosis.snapshot import Snapshot

Object = dict[str, Any]

NAMESPACE, OPERATORS = "firstflight", "seldon-system"
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LONG_AGO = "2026-03-01T12:00:00Z"
CAPABILITIES = "mlserver,python,firstflight"
APP = "app.kubernetes.io/name"
NO_SERVER = "Failed to schedule model as no matching servers are available"
TOO_FEW = "Failed to schedule model as no matching server had enough suitable replicas"


def thing(name: str, spec: Object | None = None, status: Object | None = None, **metadata: Any) -> Object:
    """Return an object."""
    return {
        "metadata": {"name": name, "namespace": NAMESPACE, **metadata},
        "spec": spec or {},
        "status": status or {},
    }


def told(kind: str, status: str = "True", reason: str = "", message: str = "", at: str = LONG_AGO) -> Object:
    """Return a condition."""
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": at}


def model(name: str = "fraud-v1", state: str = "ModelAvailable", text: str = "", **spec: Any) -> Object:
    """Return a Model in this state; the operator writes the state as message and the text as reason."""
    wanted = {
        "storageUri": f"s3://firstflight/{name}",
        "secretName": "model-storage",
        "requirements": ["mlserver", "python", "firstflight"],
        "memory": "100Mi",
        "replicas": 1,
        **spec,
    }
    well = state == "ModelAvailable"
    status = {"conditions": [told("ModelReady", str(well), text, state), told("Ready", str(well), text, state)]}
    placed = {"availableReplicas": wanted["replicas"], "selector": "server=mlserver"} if well else {}
    return thing(name, wanted, {**status, **placed}, finalizers=["seldon.model.finalizer"])


def server(name: str = "mlserver", **spec: Any) -> Object:
    """Return a Server whose status, as always, repeats its spec."""
    count = spec.get("replicas", 1)
    wanted = {"serverConfig": "mlserver", "replicas": 1, "minReplicas": count, "maxReplicas": count, **spec}
    ready = [told("StatefulSetOrDeploymentReady"), told("Ready")]
    return thing(name, wanted, {"replicas": wanted["replicas"], "conditions": ready})


def containers(memory: str = "1000Mi", **agent: str) -> list[Object]:
    """Return the containers of a Server's pod; `agent` are variables of the agent."""
    return [
        {"name": "rclone", "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}}},
        {
            "name": "agent",
            "env": [{"name": key, "value": value} for key, value in agent.items()],
            "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
        },
        {"name": "mlserver", "resources": {"requests": {"cpu": "500m", "memory": memory}}},
    ]


def server_config(name: str = "mlserver", capabilities: str = CAPABILITIES) -> Object:
    """Return a ServerConfig, whose agent says what its servers can do."""
    return thing(name, {"podSpec": {"containers": containers(SELDON_SERVER_CAPABILITIES=capabilities)}})


def stateful_set(name: str = "mlserver", replicas: int = 1, ready: int = 1, memory: str = "1000Mi") -> Object:
    """Return the StatefulSet that the operator makes of a Server."""
    template = {"spec": {"containers": containers(memory)}}
    return thing(name, {"replicas": replicas, "template": template}, {"readyReplicas": ready})


def pod(
    name: str = "mlserver-0",
    app: str = "seldon-server",
    *,
    unready: tuple[str, ...] = (),
    memory: str = "1000Mi",
    agent: dict[str, str] | None = None,
    state: Object | None = None,
    **metadata: Any,
) -> Object:
    """Return a pod; the containers `unready` are in `state`, running when none is said."""
    owner = [{"kind": "StatefulSet", "name": name.rpartition("-")[0]}]
    names = ("rclone", "agent", "mlserver") if app == "seldon-server" else (app,)
    said = [
        {"name": one, "ready": one not in unready, "restartCount": 7, "image": f"{one}:1", **(state or {"state": {}})}
        if one in unready
        else {"name": one, "ready": True, "restartCount": 0, "state": {"running": {}}}
        for one in names
    ]
    spec = {"containers": containers(memory, **(agent or {})) if app == "seldon-server" else [{"name": app}]}
    status = {"conditions": [told("Ready", str(not unready))], "containerStatuses": said}
    return thing(name, spec, status, labels={APP: app}, ownerReferences=owner, **metadata)


def unscheduled(name: str = "mlserver-0") -> Object:
    """Return a pod that no node takes."""
    waiting = pod(name, unready=("agent",))
    refusal = told("PodScheduled", "False", "Unschedulable", "0/3 nodes are available: 3 Insufficient memory")
    waiting["status"] = {"conditions": [refusal]}
    return waiting


def runtime(**conditions: str) -> Object:
    """Return a SeldonRuntime without Kafka: what is disabled never reports."""
    off = ("seldon-modelgateway", "seldon-pipelinegateway", "seldon-dataflow-engine", "hodometer")
    reported = {"SchedulerReady": "True", "EnvoyReady": "True", **conditions}
    spec = {"seldonConfig": "default", "overrides": [{"name": name, "disable": True} for name in off]}
    return thing("seldon", spec, {"conditions": [told(kind, status) for kind, status in reported.items()]})


def experiment(name: str = "fraud", *, active: str = "True", **spec: Any) -> Object:
    """Return an Experiment of two Models."""
    candidates = [{"name": "fraud-v1", "weight": 90}, {"name": "fraud-v2", "weight": 10}]
    wanted = {"default": "fraud-v1", "candidates": candidates, **spec}
    reason = "experiment active" if active == "True" else ""
    return thing(name, wanted, {"conditions": [told("ExperimentReady", active, reason), told("Ready", active)]})


def secret(value: object = None, key: str = "s3", name: str = "model-storage") -> Object:
    """Return a Secret as the API shows it, with an rclone remote in it."""
    remote = {"type": "s3", "name": "s3", "parameters": {"provider": "Minio", "env_auth": "false"}}
    text = json.dumps(remote if value is None else value)
    return {"metadata": {"name": name}, "data": {key: base64.b64encode(text.encode()).decode()}}


def policy(name: str, selector: Object, **rules: Any) -> Object:
    """Return a NetworkPolicy; a way without a rule is closed."""
    ways = [way for way, rule in (("Ingress", "ingress"), ("Egress", "egress")) if rule in rules]
    return thing(name, {"podSelector": selector, "policyTypes": ways, **rules})


def snapshot(**changed: Any) -> Snapshot:
    """Return what the API says of a namespace in which all is well, but for what is given."""
    listings: dict[str, Any] = {
        "models": [model("fraud-v1"), model("fraud-v2")],
        "experiments": [experiment()],
        "pipelines": [],
        "servers": [server()],
        "serverconfigs": [server_config()],
        "seldonruntimes": [runtime()],
        "statefulsets": [stateful_set()],
        "pods": [pod(), pod("seldon-scheduler-0", "seldon-scheduler"), pod("seldon-envoy-0", "seldon-envoy")],
        "events": [],
        "resourcequotas": [],
        "limitranges": [],
        "networkpolicies": [],
    }
    given = {kind: changed.pop(kind) for kind in list(changed) if kind in listings}
    listed = {kind: tuple(one) if isinstance(one, list) else one for kind, one in {**listings, **given}.items()}
    known: dict[str, Any] = {"secrets": {"model-storage": secret()}, **changed}
    return Snapshot(NAMESPACE, OPERATORS, NOW, "v1.31.2", listings=listed, **known)
