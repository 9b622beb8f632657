"""Why a Server has fewer live replicas than it should."""

from collections.abc import Iterator

from firstflight.domain.findings import Finding, failed, named, passed, warned
from firstflight.serving.seldon.diagnosis import network
from firstflight.serving.seldon.diagnosis.live import AGENT, LiveServer, is_live
from firstflight.serving.seldon.diagnosis.snapshot import Snapshot, Unseen
from firstflight.serving.seldon.objects import (
    Object,
    condition,
    containers,
    environment,
    name_of,
    spec,
    status,
)

_TLS = "CONTROL_PLANE_SECURITY_PROTOCOL"
IMAGE_FAULTS = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
_CONFIG = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}


def server_findings(snapshot: Snapshot, servers: dict[str, LiveServer]) -> Iterator[Finding]:
    """Yield one line for each Server, or the one that says why there is none."""
    if not servers and snapshot.sees("servers"):
        yield no_server(snapshot)
    for server in servers.values():
        yield server_finding(snapshot, server)


def no_server(snapshot: Snapshot) -> Finding:
    """Return the line about a namespace without Servers: none at all, or only elsewhere."""
    subject = f"Servers in {snapshot.namespace}"
    elsewhere = snapshot.servers_elsewhere
    if not isinstance(elsewhere, Unseen) and elsewhere:
        places = sorted({one["metadata"].get("namespace", "?") for one in elsewhere})
        return failed(
            "server-elsewhere",
            subject,
            f"none; there are Servers in {named(places)}",
            wanted="a Server beside the Models: each namespace has a scheduler of its own, which sees no other",
            fix=f"set FIRSTFLIGHT_NAMESPACE to that one, or apply k8s/base/seldon/server.yaml to {snapshot.namespace}",
        )
    return failed(
        "server-missing",
        subject,
        "none",
        wanted="at least one Server",
        fix="apply k8s/base/seldon/server.yaml, or install the chart seldon-core-v2-servers there",
    )


def server_finding(snapshot: Snapshot, server: LiveServer) -> Finding:
    """Return the one line about a Server: the first cause that explains what is missing."""
    subject = f"Server {server.name}"
    if server.deleting:
        return failed(
            "server-deleting",
            subject,
            "is being deleted",
            wanted="a Server that stays: nothing is placed on one that goes",
            fix=f"wait until it is gone, then apply it again: kubectl get server {server.name} -n {snapshot.namespace}",
        )
    if server.wanted == 0:
        return warned(
            "server-scaled-to-zero",
            subject,
            "spec.replicas is 0",
            wanted="at least one replica, when models are to run there",
            fix=f"kubectl scale server {server.name} --replicas=1 -n {snapshot.namespace}",
        )
    if server.live is None:
        return warned(
            "server-unseen",
            subject,
            f"{server.wanted} replicas wanted, live ones cannot be seen",
            wanted="list on pods or statefulsets: the Server's own status repeats its spec",
            fix="bind the Role `doctor` of k8s/base/roles.yaml to who asks",
        )
    if server.live >= server.wanted and not server.bounded:
        return warned(
            "server-unbounded",
            subject,
            f"{server.live} of {server.wanted} replicas live; minReplicas and maxReplicas are not both {server.wanted}",
            wanted="both bounds: Seldon scales a replica away when a model leaves it, and never back",
            fix=f"set minReplicas and maxReplicas to {server.wanted}, as k8s/base/seldon/server.yaml does",
        )
    if server.live >= server.wanted:
        offers = f"offers {', '.join(sorted(server.capabilities))}" if server.capabilities else "capabilities unseen"
        return passed("server", subject, f"{server.live} of {server.wanted} replicas live; {offers}")
    return why_not_live(snapshot, server)


def why_not_live(snapshot: Snapshot, server: LiveServer) -> Finding:
    """Return what keeps the Server's replicas from being live."""
    subject = f"Server {server.name}"
    counted = f"{server.live} of {server.wanted} replicas live"
    if server.config_missing and not server.pods:
        return failed(
            "server-config-missing",
            subject,
            f"{counted}; ServerConfig {server.config!r} does not exist in {snapshot.operator_namespace}",
            wanted="a ServerConfig of that name beside the operator, not beside the Server",
            fix="install the chart seldon-core-v2-setup, or correct spec.serverConfig",
        )
    if refusal := _refused_pods(snapshot, server):
        return failed(
            "server-pods-refused",
            subject,
            f"{counted}; its pods are refused: {refusal}",
            wanted="pods within quota, limit range and pod security of the namespace",
            fix="raise what is named or ask for less in the Server's podSpec; the StatefulSet tries again by itself",
        )
    for pod in server.pods:
        if not is_live(pod) and (finding := _pod_finding(snapshot, server, pod, counted)):
            return finding
    if server.workload is None and snapshot.sees("statefulsets"):
        return failed(
            "server-no-workload",
            subject,
            f"{counted}; it has no StatefulSet",
            wanted="a StatefulSet of the same name, made by the operator",
            fix="is the operator running, and does it watch this namespace? kubectl logs -n "
            f"{snapshot.operator_namespace} deploy/seldon-v2-controller-manager",
        )
    return failed(
        "server-not-live",
        subject,
        f"{counted}; {len(server.pods)} pods, none says why",
        wanted="every replica ready",
        fix=f"kubectl describe statefulset {server.name} -n {snapshot.namespace}",
    )


def _refused_pods(snapshot: Snapshot, server: LiveServer) -> str | None:
    """Return the newest refusal of a pod of the Server, where one is missing."""
    if len(server.pods) >= server.wanted:
        return None
    told = [
        event
        for event in snapshot.items("events")
        if event.get("reason") == "FailedCreate"
        and event.get("involvedObject", {}).get("kind") == "StatefulSet"
        and event["involvedObject"].get("name") == server.name
    ]
    newest = max(told, key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "", default=None)
    return str(newest.get("message", ""))[:300] if newest else None


def _pod_finding(snapshot: Snapshot, server: LiveServer, pod: Object, counted: str) -> Finding | None:
    subject, name = f"Server {server.name}", name_of(pod)
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        return failed(
            "server-pod-unschedulable",
            subject,
            f"{counted}; pod {name} fits on no node: {scheduled.get('message', scheduled.get('reason', ''))}",
            wanted="a node with room for it",
            fix="add a node, or ask for less CPU and memory in the Server's podSpec",
        )
    for container in status(pod).get("containerStatuses") or ():
        if finding := _container_finding(snapshot, subject, name, container, counted):
            return finding
    waiting = [one for one in status(pod).get("containerStatuses") or () if not one.get("ready")]
    if any(one["name"] == AGENT for one in waiting):
        return _agent_finding(snapshot, server, pod, counted)
    if waiting:
        names = ", ".join(one["name"] for one in waiting)
        return failed(
            "server-container-not-ready",
            subject,
            f"{counted}; pod {name} runs, not ready: {names}",
            wanted="every container ready",
            fix=f"kubectl logs {name} -c {waiting[0]['name']} -n {snapshot.namespace}",
        )
    return None


def _container_finding(snapshot: Snapshot, subject: str, pod: str, container: Object, counted: str) -> Finding | None:
    state = container.get("state") or {}
    waiting = state.get("waiting") or {}
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
    where = f"{counted}; container {container['name']} of pod {pod}"
    reason = str(waiting.get("reason", ""))
    if reason in IMAGE_FAULTS:
        return failed(
            "server-image",
            subject,
            f"{where}: {reason} {container.get('image', '')}: {waiting.get('message', '')}".strip(": "),
            wanted="an image that the node can pull",
            fix="correct the image, push it, or load it (kind load docker-image); for a private one an imagePullSecret",
        )
    if reason in _CONFIG:
        return failed(
            "server-container-config",
            subject,
            f"{where}: {reason}: {waiting.get('message', '')}",
            wanted="every Secret, ConfigMap and command that the container names",
            fix="create what is named, or correct the Server's podSpec",
        )
    if ended.get("reason") == "OOMKilled" and not container.get("ready"):
        return failed(
            "server-out-of-memory",
            subject,
            f"{where} was killed for its memory, {container.get('restartCount', 0)} restarts",
            wanted="a memory limit above what its models need",
            fix="raise the container's memory limit in the Server's podSpec, or give Models their true `memory`",
        )
    if reason == "CrashLoopBackOff":
        return failed(
            "server-crashing",
            subject,
            f"{where} keeps ending (exit code {ended.get('exitCode', '?')}, "
            f"{container.get('restartCount', 0)} restarts): {_why_ended(ended)}",
            wanted="a container that stays",
            fix=f"kubectl logs {pod} -c {container['name']} --previous -n {snapshot.namespace}",
        )
    return None


def _why_ended(ended: Object) -> str:
    return str(ended.get("message") or ended.get("reason") or "no reason given")[:300]


def _agent_finding(snapshot: Snapshot, server: LiveServer, pod: Object, counted: str) -> Finding:
    """Return why an agent that runs is not connected: policies, TLS, no scheduler, or it does not say."""
    subject, name = f"Server {server.name}", name_of(pod)
    scheduler = next((one for one in snapshot.items("pods") if network.is_app(one, "seldon-scheduler")), None)
    agent = _protocol(containers(spec(pod)).get(AGENT, {}))
    where = f"{counted}; the agent of pod {name} runs and is not connected to the scheduler"
    if snapshot.sees("pods") and (scheduler is None or not is_live(scheduler)):
        return failed(
            "agent-without-scheduler",
            subject,
            f"{where}: {'there is no scheduler' if scheduler is None else 'the scheduler is not ready'}",
            wanted=f"a ready pod of seldon-scheduler in {snapshot.namespace}",
            fix="see the findings about SeldonRuntime; agents connect by themselves once it is there",
        )
    if scheduler is not None:
        theirs = _protocol(next(iter(containers(spec(scheduler)).values()), {}))
        if agent != theirs:
            return failed(
                "agent-tls",
                subject,
                f"{where}: it speaks {agent}, the scheduler {theirs}",
                wanted=f"one {_TLS} for agents and scheduler",
                fix="set security.controlplane.protocol alike in both charts, then restart the Server's pods",
            )
    if blocked := network.blocked(snapshot, (network.AGENT_TO_SCHEDULER,)):
        return failed(
            "agent-blocked",
            subject,
            f"{where}: {blocked[0].found}",
            wanted="network policies that let agents reach seldon-scheduler:9005, and resolve its name",
            fix=blocked[0].fix,
        )
    return failed(
        "agent-not-connected",
        subject,
        where,
        wanted="a connection to seldon-scheduler:9005 (9055 with TLS)",
        fix=f"kubectl logs {name} -c agent -n {snapshot.namespace}: name resolution, certificates, a firewall?",
    )


def _protocol(container: Object) -> str:
    return environment(container).get(_TLS, "PLAINTEXT").upper()
