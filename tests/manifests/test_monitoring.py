"""What is scraped, shown and told: by metrics that exist, of pods that exist."""

import json
import re
from typing import Any

import yaml

from firstflight.telemetry.catalogue import OF_OURS, OF_SERVERS, described
from firstflight.workloads.market.exports import EXPORTS
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
OURS = {
    **{name: one.by for one in OF_OURS for name in one.series},
    **{name: "exporter" for each in EXPORTS for one in described(each) for name in one.series},
    **{name: "seldon-server" for one in OF_SERVERS for name in one.series},
}
METRIC = re.compile(r"\b[a-z]+(?:_[a-z]+)+(?=[{\[])")


DASHBOARDS = sorted((ROOT / "k8s/components/monitoring/dashboards").glob("*.json"))
GATEWAYS = {"seldon-pipelinegateway"}
"""Scraped for whoever serves pipelines; no rule or panel of ours asks for it."""


def rules() -> list[dict[str, Any]]:
    """Return the alerts."""
    every = of_kind(build("extras/monitoring"), "PrometheusRule").values()
    return [rule for each in every for group in each["spec"]["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    """Return every query of the dashboards, those for their choices included, and of the alerts."""
    shown, asked = [], []
    for file in DASHBOARDS:
        dashboard = json.loads(file.read_text())
        shown += [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
        asked += [one["query"]["query"] for one in dashboard["templating"]["list"] if one["type"] == "query"]
    chosen = [found[1] for one in asked if (found := re.fullmatch(r"label_values\((\w+\{.*\}), \w+\)", one))]
    assert len(chosen) == len(DASHBOARDS)
    return shown + chosen + [str(rule["expr"]) for rule in rules()]


def test_queries_ask_for_metrics_that_are_exported() -> None:
    """A misspelt metric would be an empty panel, or an alert that never fires."""
    asked = {metric for expression in expressions() for metric in METRIC.findall(expression)}
    assert set(METRICS) == asked - OURS.keys()
    assert {"firstflight_rollout_phase", "firstflight_guard_round_timestamp_seconds"} <= asked


def test_who_exports_them_is_scraped() -> None:
    """Each exporter in our namespace has a PodMonitor."""
    monitors = of_kind(build("extras/monitoring"), "PodMonitor")
    assert {each for each in METRICS.values() if each in SELDON_PODS} | set(OURS.values()) == monitors.keys() - GATEWAYS


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
        assert {"summary", "action", "runbook"} == set(rule["annotations"])
    told = (ROOT / "docs/runbooks/alerts.md").read_text(encoding="utf-8")
    assert [f"docs/runbooks/alerts.md#{each.lower()}" for each in re.findall(r"^## (\w+)$", told, re.MULTILINE)] == [
        rule["annotations"]["runbook"] for rule in rules()
    ]


def test_grafana_finds_the_dashboard() -> None:
    """Both are in a ConfigMap with the label that Grafana's side-car looks for; no two panels share a number."""
    found = of_kind(build("extras/monitoring"), "ConfigMap")["firstflight-dashboard"]
    assert "1" == found["metadata"]["labels"]["grafana_dashboard"]
    assert {file.name for file in DASHBOARDS} == found["data"].keys()
    shown = [yaml.safe_load(text) for text in found["data"].values()]
    assert len(shown) == len({dashboard["uid"] for dashboard in shown})
    for dashboard in shown:
        numbers = [panel["id"] for panel in dashboard["panels"]]
        assert len(numbers) == len(set(numbers))
