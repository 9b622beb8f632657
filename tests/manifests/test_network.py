"""Who may talk to whom, worked out from the policies of each build."""

import pytest

from tests.manifests.network import HERE, Labels, allowed, enters, leaves
from tests.manifests.objects import OVERLAYS, SELDON_PODS, build, of_kind, pods


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
    ("flow", "postgresql", 5432),
    ("guard", "postgresql", 5432),
    ("mlflow", "postgresql", 5432),
    ("prefect-server", "postgresql", 5432),
    ("seldon-server", "postgresql", 5432),
    ("flow", "seaweedfs", 8333),
    ("mlflow", "seaweedfs", 8333),
    ("seldon-server", "seaweedfs", 8333),
}
PODS = {*SELDON_PODS, "flow", "guard", "mlflow", "prefect-server", "prefect-worker"}
PORTS = {port for _, _, port in NEEDED | NEEDED_LOCALLY} | {8082, 9003, 9006, 443}
# Port 443 stands open towards anywhere, since the API server has no pods to name; 5432 too, for a database outside.


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
    assert leaves(objects, named("flow"), "monitoring", {}, 9090)
    assert leaves(objects, named("seldon-dataflow-engine"), "kafka", {}, 9092)
    assert leaves(objects, named("mlflow"), "anywhere", {}, 5432)
    operator = {"control-plane": "v2-controller-manager"}
    assert enters(objects, "seldon-system", operator, named("seldon-scheduler"), 9004)
    assert not enters(objects, "elsewhere", operator, named("seldon-scheduler"), 9004)
    assert not enters(objects, "elsewhere", {}, named("seldon-envoy"), 9000)
    for name, port in (("prefect-server", 4200), ("mlflow", 5000)):
        assert enters(objects, "sign-in", {}, named(name), port, {"firstflight/people": "true"})
        assert not enters(objects, "elsewhere", {}, named(name), port)
    assert not leaves(objects, named("prefect-server"), "anywhere", {}, 443)


@pytest.mark.parametrize("name", ["seldon-server", "seldon-envoy", "seldon-pipelinegateway", "prefect-server"])
def test_prometheus_reaches_what_it_scrapes(name: str) -> None:
    """With monitoring, pods that have a PodMonitor can be scraped from its namespace, and nothing else can."""
    objects = build("overlays/production") + build("extras/monitoring")
    ports = {"seldon-server": 9006, "seldon-envoy": 9003}
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
