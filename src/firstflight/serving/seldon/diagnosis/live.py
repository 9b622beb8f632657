"""Servers as they are: from their pods and StatefulSets, since a Server's own status repeats its spec."""

from collections.abc import Iterable
from dataclasses import dataclass

from firstflight.serving.seldon.diagnosis.snapshot import Snapshot
from firstflight.serving.seldon.objects import (
    Object,
    condition,
    containers,
    environment,
    is_ending,
    labels,
    name_of,
    quantity,
    spec,
    status,
)

AGENT, RCLONE = "agent", "rclone"
SIDECARS = {AGENT, RCLONE}
_CAPABILITIES = "SELDON_SERVER_CAPABILITIES"
_WORKERS = "MLSERVER_PARALLEL_WORKERS"
_OVERCOMMIT = 1.1
"""The scheduler places models into a tenth more than the container's memory request."""


@dataclass(frozen=True)
class LiveServer:
    """A Server, with what the API shows of its pods.

    Attributes:
        name: Its name, which is also its StatefulSet's.
        wanted: Replicas its spec asks for.
        live: Replicas whose every container is ready; None when neither pods nor StatefulSets could be seen.
        capabilities: What models may require of it; None when its ServerConfig could not be seen.
        deleting: Whether it is going away.
        config: The ServerConfig it names.
        config_missing: Whether that does not exist.
        pods: Its pods.
        workload: Its StatefulSet, None when there is none or it could not be seen.
        memory: Bytes of models that one replica takes; None when no request could be seen.
        workers: By how many the memory of a model counts.
        bounded: Whether both its bounds are its replicas, so that Seldon scales none away.
    """

    name: str
    wanted: int
    live: int | None
    capabilities: frozenset[str] | None
    deleting: bool
    config: str
    config_missing: bool
    pods: tuple[Object, ...]
    workload: Object | None
    memory: float | None
    workers: int
    bounded: bool

    @property
    def draining(self) -> tuple[str, ...]:
        """Pods that are going away."""
        return tuple(name_of(pod) for pod in self.pods if is_ending(pod))

    def lacks(self, wanted: Iterable[str]) -> frozenset[str] | None:
        """Return what it does not offer of `wanted`; None when that cannot be told."""
        return None if self.capabilities is None else frozenset(wanted) - self.capabilities


def live_servers(snapshot: Snapshot) -> dict[str, LiveServer]:
    """Return the namespace's Servers by name."""
    configs = {name_of(one): one for one in snapshot.items("serverconfigs")}
    return {name_of(server): _live(server, configs, snapshot) for server in snapshot.items("servers")}


def is_live(pod: Object) -> bool:
    """Whether every container of the pod is ready, and it is to stay."""
    return condition(pod, "Ready").get("status") == "True" and not is_ending(pod)


def _live(server: Object, configs: dict[str, Object], snapshot: Snapshot) -> LiveServer:
    name = name_of(server)
    pods = tuple(pod for pod in snapshot.items("pods") if _belongs(pod, name))
    workload = next((one for one in snapshot.items("statefulsets") if name_of(one) == name), None)
    config_name = str(spec(server).get("serverConfig", ""))
    config = configs.get(config_name)
    config_missing = config is None and snapshot.sees("serverconfigs")
    pod_specs = [spec(pods[0])] if pods else []
    pod_specs += [spec(spec(workload).get("template") or {})] if workload else []
    pod_specs += [spec(server).get("podSpec") or {}, spec(config or {}).get("podSpec") or {}]
    return LiveServer(
        name=name,
        wanted=int(spec(server).get("replicas", 1)),
        live=_count(snapshot, pods, workload),
        capabilities=_capabilities(server, config, pods, unknown=config is None and not config_missing),
        deleting=is_ending(server),
        config=config_name,
        config_missing=config_missing,
        pods=pods,
        workload=workload,
        memory=_memory(pod_specs),
        workers=_workers(pod_specs),
        bounded=spec(server).get("minReplicas") == spec(server).get("maxReplicas") == spec(server).get("replicas", 1),
    )


def _belongs(pod: Object, server: str) -> bool:
    owners = pod["metadata"].get("ownerReferences") or ()
    if owners:
        return any(owner.get("kind") == "StatefulSet" and owner.get("name") == server for owner in owners)
    base, _, number = name_of(pod).rpartition("-")
    return base == server and number.isdigit() and labels(pod).get("app.kubernetes.io/name") == "seldon-server"


def _count(snapshot: Snapshot, pods: tuple[Object, ...], workload: Object | None) -> int | None:
    if snapshot.sees("pods"):
        return sum(map(is_live, pods))
    if workload is not None:
        return int(status(workload).get("readyReplicas", 0))
    return 0 if snapshot.sees("statefulsets") else None


def _capabilities(
    server: Object, config: Object | None, pods: tuple[Object, ...], *, unknown: bool
) -> frozenset[str] | None:
    extra = spec(server).get("extraCapabilities") or []
    if replaced := spec(server).get("capabilities"):
        offered = list(replaced)  # Seldon ignores the extra ones then
    elif config is not None:
        agent = containers(spec(config).get("podSpec") or {}).get(AGENT, {})
        offered = [*environment(agent).get(_CAPABILITIES, "").split(","), *extra]
    elif pods and (told := environment(containers(spec(pods[0])).get(AGENT, {})).get(_CAPABILITIES)):
        offered = told.split(",")  # as the operator wrote it there, the extra ones included
    else:
        return None if unknown else frozenset(map(str.strip, extra))
    return frozenset(one.strip() for one in offered if one.strip())


def _memory(pod_specs: list[Object]) -> float | None:
    for pod_spec in pod_specs:
        for name, container in containers(pod_spec).items():
            request = (container.get("resources") or {}).get("requests", {}).get("memory")
            if name not in SIDECARS and request is not None:
                return quantity(request) * _OVERCOMMIT
    return None


def _workers(pod_specs: list[Object]) -> int:
    for pod_spec in pod_specs:
        value = environment(containers(pod_spec).get(AGENT, {})).get(_WORKERS, "")
        if value.isdigit():
            return max(1, int(value))
    return 1
