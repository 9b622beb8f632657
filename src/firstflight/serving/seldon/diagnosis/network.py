"""Which connections that Seldon needs its namespace's network policies forbid.

Only what can be known without listing namespaces is claimed: a selector of namespaces by another label than
Kubernetes' own name may let anybody through, and is taken to.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from firstflight.domain.findings import Finding, failed
from firstflight.serving.seldon.diagnosis.snapshot import Snapshot
from firstflight.serving.seldon.objects import Object, labels, name_of, spec

APP = "app.kubernetes.io/name"
_NAMESPACE = "kubernetes.io/metadata.name"
Way = Literal["Ingress", "Egress"]


@dataclass(frozen=True)
class Connection:
    """From one application of the namespace to another; `source` or `target` None: outside, seen from one side."""

    source: str | None
    target: str | None
    port: int
    why: str
    protocol: str = "TCP"

    def __str__(self) -> str:
        return f"{self.source or 'the operator'} → {self.target or 'DNS'}:{self.port}"


AGENT_TO_SCHEDULER = Connection("seldon-server", "seldon-scheduler", 9005, "agents tell the scheduler of their server")
NEEDED = (
    AGENT_TO_SCHEDULER,
    Connection("seldon-envoy", "seldon-scheduler", 9002, "the mesh learns its routes"),
    Connection("seldon-envoy", "seldon-server", 9001, "requests reach models"),
    Connection(None, "seldon-scheduler", 9004, "the operator tells the scheduler of Models"),
    Connection("seldon-server", None, 53, "agents find the scheduler by name", "UDP"),
    Connection("seldon-envoy", None, 53, "the mesh finds the scheduler by name", "UDP"),
)


def is_app(pod: Object, app: str) -> bool:
    """Whether the pod carries the application's name."""
    return labels(pod).get(APP) == app


def blocked(snapshot: Snapshot, needed: Iterable[Connection] = NEEDED) -> tuple[Finding, ...]:
    """Return one line for each connection that no policy lets through."""
    return tuple(
        failed(
            "network-policy",
            f"connection {connection}",
            f"{side} is closed by {', '.join(policies)}",
            wanted=f"an open way: {connection.why}",
            fix=f"add a NetworkPolicy that lets {connection} through (k8s/base/network-policies.yaml has them all)",
        )
        for connection in needed
        for side, policies in _closed(snapshot, connection)
    )


def _closed(snapshot: Snapshot, connection: Connection) -> Iterable[tuple[str, list[str]]]:
    ends: tuple[tuple[Way, str | None, str | None, str], ...] = (
        ("Egress", connection.source, connection.target, "what leaves the source"),
        ("Ingress", connection.target, connection.source, "what enters the target"),
    )
    for way, here, there, side in ends:
        if here is None:
            continue
        selecting = [
            policy
            for policy in snapshot.items("networkpolicies")
            if way in _ways(policy) and _takes(spec(policy).get("podSelector") or {}, _labels_of(snapshot, here))
        ]
        peer = None if there is None else _labels_of(snapshot, there)
        if selecting and not any(_lets(policy, way, peer, connection, snapshot) for policy in selecting):
            yield side, [name_of(policy) for policy in selecting]


def _ways(policy: Object) -> list[str]:
    said = spec(policy).get("policyTypes")
    return list(said) if said else ["Ingress", *(["Egress"] if "egress" in spec(policy) else [])]


def _labels_of(snapshot: Snapshot, app: str) -> dict[str, str]:
    pod = next((one for one in snapshot.items("pods") if is_app(one, app)), None)
    return labels(pod) if pod else {APP: app}


def _lets(policy: Object, way: Way, peer: dict[str, str] | None, connection: Connection, snapshot: Snapshot) -> bool:
    rules, ends = ("ingress", "from") if way == "Ingress" else ("egress", "to")
    return any(
        (not rule.get(ends) or any(_is_peer(one, peer, snapshot) for one in rule[ends]))
        and (not rule.get("ports") or any(_is_port(one, connection) for one in rule["ports"]))
        for rule in spec(policy).get(rules) or ()
    )


def _is_peer(peer: Object, pod: dict[str, str] | None, snapshot: Snapshot) -> bool:
    if "ipBlock" in peer:
        return True  # pods' addresses may lie in it
    if pod is None:  # outside: which labels it has is not known
        return "namespaceSelector" in peer
    if "namespaceSelector" in peer:
        selector = peer["namespaceSelector"] or {}
        known = {_NAMESPACE: snapshot.namespace}
        asks_more = set(selector.get("matchLabels") or {}) - set(known) or any(
            one["key"] not in known for one in selector.get("matchExpressions") or ()
        )
        if not asks_more and not _takes(selector, known):
            return False
    return _takes(peer.get("podSelector") or {}, pod)


def _is_port(port: Object, connection: Connection) -> bool:
    if port.get("protocol", "TCP") != connection.protocol:
        return False
    first = port.get("port")
    if first is None or isinstance(first, str):  # a named port may be this one
        return True
    return int(first) <= connection.port <= int(port.get("endPort") or first)


def _takes(selector: Object, has: dict[str, str]) -> bool:
    """Whether a label selector takes these labels."""
    if any(has.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_agrees(one, has) for one in selector.get("matchExpressions") or ())


def _agrees(expression: Object, has: dict[str, str]) -> bool:
    value, values = has.get(expression["key"]), expression.get("values") or ()
    match expression["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case _:
            return value is None
