"""Who may talk to whom, worked out from the policies of each build."""

import pytest

from tests.manifests.network import HERE, Labels, allowed, enters, leaves, reaches
from tests.manifests.objects import BUILDS, OVERLAYS, SELDON_PODS, build, of_kind, pods


def named(name: str) -> Labels:
    """Return the labels of the pods that are called so."""
    return {"firstflight/role": "flow"} if name == "flow" else {"app.kubernetes.io/name": name}


NEEDED = {
    # a run's job
    ("flow", "prefect-server", 4200),
    ("flow", "mlflow", 5000),
    ("flow", "seldon-envoy", 9000),
    ("flow", "seldon-envoy", 9003),
    # ours
    ("prefect-worker", "prefect-server", 4200),
    ("guard", "seldon-envoy", 9000),
    ("guard", "seldon-envoy", 9003),
    ("guard", "prefect-server", 4200),
    ("exporter", "seldon-envoy", 9000),
    # Seldon's: configuration, requests, agents, pipelines
    ("seldon-envoy", "seldon-scheduler", 9002),
    ("seldon-envoy", "seldon-server", 9001),
    ("seldon-envoy", "seldon-server", 9501),
    ("seldon-envoy", "seldon-pipelinegateway", 9010),
    ("seldon-envoy", "seldon-pipelinegateway", 9011),
    ("seldon-server", "seldon-scheduler", 9005),
    ("seldon-server", "seldon-scheduler", 9055),
    ("seldon-server", "seldon-envoy", 9000),
    ("seldon-modelgateway", "seldon-scheduler", 9004),
    ("seldon-modelgateway", "seldon-envoy", 9000),
    ("seldon-pipelinegateway", "seldon-scheduler", 9004),
    ("seldon-pipelinegateway", "seldon-envoy", 9000),
    ("seldon-dataflow-engine", "seldon-scheduler", 9008),
}
NEEDED_LOCALLY = {
    ("backup", "postgresql", 5432),
    ("prefect-worker", "postgresql", 5432),
    ("retention", "postgresql", 5432),
    ("flow", "postgresql", 5432),
    ("guard", "postgresql", 5432),
    ("exporter", "postgresql", 5432),
    ("mlflow", "postgresql", 5432),
    ("prefect-server", "postgresql", 5432),
    ("seldon-server", "postgresql", 5432),
    ("flow", "seaweedfs", 8333),
    ("mlflow", "seaweedfs", 8333),
    ("seldon-server", "seaweedfs", 8333),
}
PODS = {*SELDON_PODS, "backup", "exporter", "flow", "guard", "mlflow", "prefect-server", "prefect-worker", "retention"}
PORTS = {port for _, _, port in NEEDED | NEEDED_LOCALLY} | {8082, 9003, 9006, 443, 4811, 4812}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_just_what_is_needed_is_open(overlay: str) -> None:
    """Of all connections among our pods, on all ports they use, those that are needed are open and no others."""
    objects = build(f"overlays/{overlay}")
    here = PODS | ({"postgresql", "seaweedfs"} if overlay == "local" else set())
    opened = {
        (source, target, port)
        for source in here
        for target in here
        for port in PORTS
        if allowed(objects, named(source), named(target), port)
    }
    assert NEEDED | (NEEDED_LOCALLY if overlay == "local" else set()) == opened


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_lies_outside_the_namespace(overlay: str) -> None:
    """Flows reach Prometheus, gateways reach Kafka, the operator reaches the scheduler, named clients reach models."""
    objects = build(f"overlays/{overlay}")
    prometheus = {"app.kubernetes.io/name": "prometheus"}
    assert leaves(objects, named("flow"), "monitoring", prometheus, 9090)
    assert not leaves(objects, named("flow"), "monitoring", {}, 9090)
    assert leaves(objects, named("seldon-dataflow-engine"), "kafka", {}, 9092)
    operator = {"control-plane": "v2-controller-manager"}
    assert enters(objects, "seldon-system", operator, named("seldon-scheduler"), 9004)
    assert not enters(objects, "elsewhere", operator, named("seldon-scheduler"), 9004)
    assert not enters(objects, "elsewhere", {}, named("seldon-envoy"), 9000)
    assert enters(objects, "sign-in", {}, named("mlflow"), 5000, {"firstflight/people": "true"})
    assert not enters(objects, "elsewhere", {}, named("mlflow"), 5000)
    assert enters(objects, HERE, named("people"), named("prefect-server"), 4200)
    assert not enters(objects, "sign-in", {}, named("prefect-server"), 4200, {"firstflight/people": "true"})


@pytest.mark.parametrize("path", BUILDS)
def test_what_leaves_names_where_it_goes(path: str) -> None:
    """No rule is open towards anywhere, and none names a network wider than one place, but for Slack's."""
    for name, policy in of_kind(build(path), "NetworkPolicy").items():
        for rule in policy["spec"].get("egress", []):
            assert rule.get("to"), name
            assert rule.get("ports"), name
            for peer in rule["to"]:
                assert peer != {"podSelector": {}}, name
                if "extras/slack" != path:
                    assert "0.0.0.0/0" != peer.get("ipBlock", {}).get("cidr"), name


OUTSIDE = {"database": 5432, "kubernetes-api": 443, "bucket": 443}


@pytest.mark.parametrize(("overlay", "network"), [("staging", "198.51.100"), ("production", "203.0.113")])
def test_what_is_the_platforms_is_reached_where_the_overlay_says(overlay: str, network: str) -> None:
    """Database, API server and bucket, by those that need them and by flows; nobody reaches anything else outside."""
    objects = build(f"overlays/{overlay}")
    places = {f"{network}.{number}": what for number, what in enumerate(OUTSIDE, 1)} | {"1.2.3.4": "a stranger"}
    reached = {
        (source, places[address])
        for source in PODS
        for address in places
        for port in (5432, 443, 6443, 80)
        if reaches(objects, named(source), address, port)
    }
    assert {
        *((who, "database") for who in ("backup", "exporter", "flow", "guard", "mlflow", "retention")),
        *((who, "database") for who in ("prefect-server", "prefect-worker", "seldon-server")),
        *((who, "kubernetes-api") for who in ("exporter", "flow", "guard", "prefect-worker")),
        *((who, "kubernetes-api") for who in ("seldon-scheduler", "seldon-server")),
        *((who, "bucket") for who in ("flow", "mlflow", "seldon-server")),
    } == reached


def test_slack_opens_nothing_private() -> None:
    """Guard and flows reach the public network by HTTPS, and neither other clouds' metadata nor a neighbour."""
    objects = build("overlays/production") + build("extras/slack")
    for who in ("guard", "flow"):
        assert reaches(objects, named(who), "1.2.3.4", 443)
        assert not reaches(objects, named(who), "1.2.3.4", 80)
        for private in ("10.1.2.3", "169.254.169.254", "172.20.0.1", "192.168.0.1"):
            assert not reaches(objects, named(who), private, 443)
    assert not reaches(objects, named("mlflow"), "1.2.3.4", 443)


@pytest.mark.parametrize(
    "name", ["seldon-server", "seldon-envoy", "seldon-pipelinegateway", "prefect-server", "exporter", "guard"]
)
def test_prometheus_reaches_what_it_scrapes(name: str) -> None:
    """With monitoring, pods that have a PodMonitor can be scraped from its namespace, and nothing else can."""
    objects = build("overlays/production") + build("extras/monitoring")
    ports = {"seldon-server": 9006, "seldon-envoy": 9003, "exporter": 4811, "guard": 4812}
    scraped = name in of_kind(objects, "PodMonitor")
    assert scraped == enters(objects, "monitoring", {}, named(name), ports.get(name, 9006))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_policy_selects_pods_that_exist(overlay: str) -> None:
    """A label that no pod carries would make a policy of air."""
    objects = build(f"overlays/{overlay}")
    known = {pod.labels["app.kubernetes.io/name"] for pod in pods(objects)} | SELDON_PODS
    for policy in of_kind(objects, "NetworkPolicy").values():
        selector = policy["spec"]["podSelector"]
        names = {selector.get("matchLabels", {}).get("app.kubernetes.io/name")} - {None}
        for expression in selector.get("matchExpressions", []):
            names |= set(expression["values"])
        assert names <= known, policy["metadata"]["name"]
    assert {HERE} == set(of_kind(objects, "Namespace"))
