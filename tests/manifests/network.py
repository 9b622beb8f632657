"""What the network policies of a build let through: an evaluator for the fields we use."""

from ipaddress import ip_address, ip_network
from typing import Any

from tests.manifests.objects import Object, of_kind

Labels = dict[str, str]
HERE = "firstflight"


def matches(selector: Object, labels: Labels) -> bool:
    """Whether a label selector takes these labels."""
    wanted = selector.get("matchLabels", {})
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    for expression in selector.get("matchExpressions", []):
        assert expression["operator"] == "In"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return True


def _peer(peer: Object, namespace: Labels, pod: Labels) -> bool:
    if "ipBlock" in peer:  # of what is outside: a pod is let through by its labels
        return False
    assert set(peer) <= {"namespaceSelector", "podSelector"}
    if "namespaceSelector" in peer:
        if not matches(peer["namespaceSelector"], namespace):
            return False
    elif namespace != namespace_labels(HERE):
        return False
    return matches(peer.get("podSelector", {}), pod)


def namespace_labels(name: str) -> Labels:
    """Return the label that Kubernetes gives every namespace."""
    return {"kubernetes.io/metadata.name": name}


def _side(policies: list[Object], way: str, pod: Labels, other: tuple[Labels, Labels], port: int) -> bool:
    """Whether one side of a connection is open: no policy selects the pod that way, or one of them lets it through."""
    rules, peers = {"Ingress": ("ingress", "from"), "Egress": ("egress", "to")}[way]
    selecting = [each["spec"] for each in policies if matches(each["spec"]["podSelector"], pod)]
    selecting = [spec for spec in selecting if way in spec["policyTypes"]]
    return not selecting or any(
        (peers not in rule or any(_peer(peer, *other) for peer in rule[peers]))
        and ("ports" not in rule or any(open_to["port"] == port for open_to in rule["ports"]))
        for spec in selecting
        for rule in spec.get(rules, [])
    )


def allowed(objects: list[Any], source: Labels, target: Labels, port: int) -> bool:
    """Whether a pod with the labels `source` may connect to one with the labels `target`, both in our namespace."""
    return leaves(objects, source, HERE, target, port) and enters(objects, HERE, source, target, port)


def reaches(objects: list[Any], source: Labels, address: str, port: int) -> bool:
    """Whether a pod of ours may connect to an address outside the cluster."""
    where = ip_address(address)
    return any(
        any(open_to["port"] == port for open_to in rule["ports"])
        and any(
            where in ip_network(peer["ipBlock"]["cidr"])
            and not any(where in ip_network(but) for but in peer["ipBlock"].get("except", ()))
            for peer in rule["to"]
            if "ipBlock" in peer
        )
        for policy in of_kind(objects, "NetworkPolicy").values()
        if "Egress" in policy["spec"]["policyTypes"] and matches(policy["spec"]["podSelector"], source)
        for rule in policy["spec"].get("egress", [])
    )


def leaves(objects: list[Any], source: Labels, namespace: str, target: Labels, port: int) -> bool:
    """Whether a pod of ours may connect to a pod of `namespace`."""
    policies = list(of_kind(objects, "NetworkPolicy").values())
    return _side(policies, "Egress", source, (namespace_labels(namespace), target), port)


def enters(
    objects: list[Any], namespace: str, source: Labels, target: Labels, port: int, labels: Labels | None = None
) -> bool:
    """Whether a pod of `namespace`, which has `labels` beside its name, may connect to a pod of ours."""
    policies = list(of_kind(objects, "NetworkPolicy").values())
    return _side(policies, "Ingress", target, ({**namespace_labels(namespace), **(labels or {})}, source), port)
