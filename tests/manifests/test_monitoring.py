"""What is scraped, shown and told: by metrics that exist, of pods that exist."""

import json
import re

import yaml

from tests.manifests.objects import ROOT, SELDON_PODS, build, of_kind

METRICS = {  # name → who exports it
    "seldon_model_infer_total": "seldon-server",
    "seldon_model_infer_seconds_total": "seldon-server",
    "seldon_loaded_model_memory_bytes_gauge": "seldon-server",
    "seldon_server_replica_memory_capacity_bytes_gauge": "seldon-server",
    "seldon_cache_evict_count": "seldon-server",
    "envoy_cluster_upstream_rq_time_bucket": "seldon-envoy",
    "envoy_http_downstream_rq_xx": "seldon-envoy",
    "envoy_http_rds_update_rejected": "seldon-envoy",
    "envoy_http_no_route": "seldon-envoy",
    "kube_deployment_status_replicas_available": "kube-state-metrics",
}
METRIC = re.compile(r"\b(?:seldon|envoy|kube)_[a-z_]+(?=[{\[])")


def rules() -> list[dict[str, object]]:
    """Return the alerts."""
    (rule,) = of_kind(build("extras/monitoring"), "PrometheusRule").values()
    found: list[dict[str, object]] = rule["spec"]["groups"][0]["rules"]
    return found


def expressions() -> list[str]:
    """Return every query of the dashboard and of the alerts."""
    dashboard = json.loads((ROOT / "k8s/components/monitoring/dashboards/firstflight.json").read_text())
    shown = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    return shown + [str(rule["expr"]) for rule in rules()]


def test_queries_ask_for_metrics_that_are_exported() -> None:
    """A misspelt metric would be an empty panel, or an alert that never fires."""
    asked = {metric for expression in expressions() for metric in METRIC.findall(expression)}
    assert set(METRICS) == asked


def test_who_exports_them_is_scraped() -> None:
    """Each exporter in our namespace has a PodMonitor."""
    monitors = of_kind(build("extras/monitoring"), "PodMonitor")
    assert {exporter for exporter in METRICS.values() if exporter in SELDON_PODS} <= monitors.keys()


def test_queries_stay_in_their_namespace() -> None:
    """Every selector says which namespace; brackets are balanced."""
    for expression in expressions():
        for selector in re.findall(r"\{([^}]*)\}", expression):
            assert "namespace=" in selector, expression
        for opened, closed in ("()", "[]", "{}"):
            assert expression.count(opened) == expression.count(closed), expression


def test_alerts_say_what_to_do() -> None:
    """Whoever is called reads what happened and what to do next."""
    for rule in rules():
        assert {"summary", "action"} == set(rule["annotations"])  # type: ignore[call-overload]  # a mapping, by the schema


def test_grafana_finds_the_dashboard() -> None:
    """The dashboard is a ConfigMap with the label that Grafana's side-car looks for; no two panels share a number."""
    found = of_kind(build("extras/monitoring"), "ConfigMap")["firstflight-dashboard"]
    assert "1" == found["metadata"]["labels"]["grafana_dashboard"]
    dashboard = yaml.safe_load(found["data"]["firstflight.json"])
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(numbers) == len(set(numbers))
