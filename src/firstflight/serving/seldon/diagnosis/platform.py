"""The ground everything stands on: the API, Seldon's kinds, its operator and its runtime."""

import re
from collections.abc import Iterator

from firstflight.domain.findings import Finding, failed, named, passed, warned
from firstflight.serving.seldon.diagnosis import network
from firstflight.serving.seldon.diagnosis.live import is_live
from firstflight.serving.seldon.diagnosis.snapshot import GROUP, KINDS, VERSION, Snapshot
from firstflight.serving.seldon.objects import Object, condition, name_of, spec, status

OLDEST = (1, 27)
COMPONENTS = {
    "SchedulerReady": "seldon-scheduler",
    "EnvoyReady": "seldon-envoy",
    "ModelGatewayReady": "seldon-modelgateway",
    "PipelineGatewayReady": "seldon-pipelinegateway",
    "DataflowEngineReady": "seldon-dataflow-engine",
    "HodometerReady": "hodometer",
}
_NEEDED = ("SchedulerReady", "EnvoyReady")
_INSTALL = "helm install the chart seldon-core-v2-"


def api_findings(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield what the API server is and which of Seldon's kinds it serves."""
    said = re.match(r"v?(\d+)\.(\d+)", snapshot.version)
    if said is None:
        yield warned(
            "api-version",
            "Kubernetes API",
            f"answers, and calls its version {snapshot.version!r}",
            wanted="a version that can be compared",
            fix="compare it yourself: kubectl version",
        )
    elif (int(said[1]), int(said[2])) < OLDEST:
        yield warned(
            "api-version",
            "Kubernetes API",
            f"answers, version {snapshot.version}",
            wanted=f"{'.'.join(map(str, OLDEST))} or newer, which Seldon Core v2 is made for",
            fix="upgrade the cluster",
        )
    else:
        yield passed("api", "Kubernetes API", f"answers, version {snapshot.version}")
    missing = [kind for kind in KINDS if kind not in snapshot.kinds]
    if not snapshot.group_versions:
        found = f"the API does not know the group {GROUP}"
    elif VERSION not in snapshot.group_versions:
        found = f"{GROUP} is served as {named(snapshot.group_versions)}, not as {VERSION}"
    elif missing:
        found = f"{GROUP}/{VERSION} lacks {', '.join(missing)}"
    else:
        yield passed("crds", "Seldon's CRDs", f"{GROUP}/{VERSION} with {', '.join(KINDS)}")
        return
    yield failed(
        "crds",
        "Seldon's CRDs",
        found,
        wanted=f"{GROUP}/{VERSION} with {', '.join(KINDS)}",
        fix=f"{_INSTALL}crds; this client is made for Seldon Core v2.8.4 to v2.10",
    )


def no_namespace(snapshot: Snapshot) -> Finding:
    """Return the one line about a namespace that is not there: nothing else can be said of it."""
    return failed(
        "namespace-missing",
        f"Namespace {snapshot.namespace}",
        "does not exist in the cluster that KUBECONFIG names",
        wanted="the namespace in which Seldon serves",
        fix="set FIRSTFLIGHT_NAMESPACE, or the kubeconfig's context, to the right one; to make it, apply"
        " k8s/base/namespace.yaml",
    )


def runtime_findings(snapshot: Snapshot) -> Iterator[Finding]:
    """Yield one line for each component of the namespace's SeldonRuntime, or the one that there is none."""
    if "seldonruntimes" not in snapshot.kinds or not snapshot.sees("seldonruntimes"):
        return
    runtimes = snapshot.items("seldonruntimes")
    if not runtimes:
        yield failed(
            "runtime-missing",
            f"SeldonRuntime in {snapshot.namespace}",
            "none",
            wanted="one: each namespace has a scheduler and a mesh of its own",
            fix="set FIRSTFLIGHT_NAMESPACE if Seldon serves elsewhere; else apply k8s/base/seldon/runtime.yaml",
        )
    elif len(runtimes) > 1:
        yield failed(
            "runtime-several",
            f"SeldonRuntime in {snapshot.namespace}",
            f"{named(sorted(map(name_of, runtimes)))}",
            wanted="one: their components have equal names",
            fix="delete all but one",
        )
    for runtime in runtimes:
        yield from _components(runtime, snapshot)


def _components(runtime: Object, snapshot: Snapshot) -> Iterator[Finding]:
    subject = f"SeldonRuntime {name_of(runtime)}"
    disabled = {one["name"] for one in spec(runtime).get("overrides") or () if one.get("disable")}
    if not status(runtime).get("conditions"):
        yield failed(
            "runtime-not-watched",
            subject,
            "has no status: the operator has not dealt with it",
            wanted=f"an operator that runs and watches {snapshot.namespace}",
            fix=f"kubectl get deploy -n {snapshot.operator_namespace}; {_INSTALL}setup (controller.clusterwide=true"
            " when the operator has a namespace of its own)",
        )
        return
    well = []
    replicas = {one["name"]: int(one["replicas"]) for one in spec(runtime).get("overrides") or () if "replicas" in one}
    for kind, component in COMPONENTS.items():
        told = condition(runtime, kind)
        if component in disabled:
            if kind in _NEEDED:
                yield failed(
                    "runtime-needed-disabled",
                    subject,
                    f"{component} is disabled",
                    wanted="scheduler and mesh: nothing is served without",
                    fix=f"remove `disable` from the override of {component}",
                )
            continue  # it never reports, and `Ready` of the whole stays Unknown: no fault
        unmade = kind in _NEEDED and snapshot.sees("pods") and not any(map(is_live, _pods(snapshot, component)))
        if told.get("status") == "True" and not unmade:
            live, wanted = sum(map(is_live, _pods(snapshot, component))), replicas.get(component, 0)
            if snapshot.sees("pods") and live < wanted:
                yield warned(
                    "runtime-lowered",
                    f"{subject}: {component}",
                    f"says ready with {live} of {wanted} replicas",
                    wanted=f"{wanted}: Seldon lowers gateways and dataflow engines in silence to what topics allow",
                    fix="scalingConfig.pipelines.maxShardCountMultiplier and topics with as many partitions, or ask for"
                    " fewer replicas",
                )
                continue
            well.append(component)
            continue
        text = f"{told.get('reason', '')} {told.get('message', '')}".strip() or "no reason given"
        make = failed if kind in _NEEDED else warned
        yield make(
            "runtime-component",
            f"{subject}: {component}",
            f"{kind} is {told.get('status', 'never reported')}: {text}{_pod_says(snapshot, component)}",
            wanted=f"{kind} True, and a pod that is ready: of none wanted pods Seldon says True as well",
            fix=f"kubectl describe pods -l {network.APP}={component} -n {snapshot.namespace}; without Kafka disable the"
            " gateways and the dataflow engine (k8s/overlays/local)",
        )
    if well:
        yield passed("runtime", subject, f"ready: {', '.join(well)}")


def _pod_says(snapshot: Snapshot, component: str) -> str:
    pods = _pods(snapshot, component)
    if not pods:
        return f"; it has no pod{_refused(snapshot, component)}" if snapshot.sees("pods") else ""
    return f"; {sum(map(is_live, pods))} of {len(pods)} pods ready"


def _pods(snapshot: Snapshot, component: str) -> list[Object]:
    return [one for one in snapshot.items("pods") if network.is_app(one, component)]


def _refused(snapshot: Snapshot, component: str) -> str:
    """Return why its pods could not be made, empty when nobody says so."""
    told = [one for one in snapshot.items("events") if _is_of(one.get("involvedObject") or {}, component)]
    newest = max(told, key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "", default=None)
    return f": {str(newest.get('message', ''))[:300]}" if newest else ""


def _is_of(workload: Object, component: str) -> bool:
    """Whether it is the component's StatefulSet, or a ReplicaSet of its Deployment."""
    name = str(workload.get("name", ""))
    return name == component or (workload.get("kind") == "ReplicaSet" and name.rpartition("-")[0] == component)
