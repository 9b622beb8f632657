"""Clusters: the model servers as Envoy sees them, and whom it asks instead."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from firstflight.domain.traffic import TrafficSplit
from firstflight.serving.limits import MOST_CONNECTIONS
from firstflight.serving.local.envoy.names import HOST, MIRROR, PREFIX, TYPES, Json, Profile, address, is_guarded, pipe
from firstflight.serving.tallies import BY_CLIENT, TOLD

# A server that dies between the headers and the body of an answer has sent something a second try cannot take back.
# So a candidate's answer (at most 1 MiB) is collected before the client sees its first byte.
# Envoy's own limits (three retries at a time, 1,024 of the rest) would fail requests that were let in.
_ROOM: Json = {
    "thresholds": [
        dict.fromkeys(("max_connections", "max_pending_requests", "max_requests", "max_retries"), MOST_CONNECTIONS)
    ]
}
_ROOM_IN_SELDON: Json = {"thresholds": [{"max_retries": 5}]}
_WHOLE_ANSWERS: list[Json] = [
    {
        "name": "envoy.filters.http.lua",
        "typed_config": {
            "@type": f"{TYPES}extensions.filters.http.lua.v3.Lua",
            "default_source_code": {"inline_string": "function envoy_on_response(answer) answer:body() end"},
        },
    },
    {
        "name": "envoy.filters.http.upstream_codec",
        "typed_config": {"@type": f"{TYPES}extensions.filters.http.upstream_codec.v3.UpstreamCodec"},
    },
]


def clusters(
    splits: Iterable[TrafficSplit], servers: Mapping[str, tuple[str, int]], profile: Profile, mirror: Path
) -> list[Json]:
    """Return the clusters that `splits` need; `servers` gives model and REST port of each served name."""
    found = {MIRROR: _cluster(MIRROR, "mirror", pipe(mirror))}
    for split in splits:
        named = [(name, end) for name in split.weights for end in ("", BY_CLIENT)]
        for name, end in (*named, *([(split.shadow, "")] if split.shadow else [])):
            model, port = servers[name]
            plain = _cluster(f"{name}_http{end}", name, address(port))
            wanted = [plain if profile == "safe" else _as_in_seldon(plain)]
            if is_guarded(split, name, profile):
                wanted += [
                    _guard(_cluster(f"{name}_guarded{end}", name, address(port)), model),
                    _fallback(name, split.stable, end),
                ]
            found.update({cluster["name"]: cluster for cluster in wanted})
        told = _cluster(f"{split.stable}{TOLD}", split.stable, address(servers[split.stable][1]))
        found[told["name"]] = told
    return [{"@type": f"{TYPES}config.cluster.v3.Cluster", **cluster} for cluster in found.values()]


def concerns(cluster: Json, name: str) -> bool:
    """Whether the cluster sends requests to the served `name`."""
    return cluster["name"] != MIRROR and name in cluster["name"].split("_")


def _cluster(name: str, served: str, where: Json) -> Json:
    endpoint = {
        "endpoint": {"address": where},
        "metadata": {"filter_metadata": {"envoy.lb": {"served": served}}},
    }
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "0.25s",
        "circuit_breakers": _ROOM,
        # uvicorn closes idle connections after 5 s; a request sent at that moment would be lost.
        "typed_extension_protocol_options": _http({"common_http_protocol_options": {"idle_timeout": "3s"}}),
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _http(options: Json) -> Json:
    return {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": f"{TYPES}extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http_protocol_options": {}},
            **options,
        }
    }


def _as_in_seldon(cluster: Json) -> Json:
    return {**cluster, "lb_policy": "LEAST_REQUEST", "circuit_breakers": _ROOM_IN_SELDON}


def _guard(cluster: Json, model: str) -> Json:
    return {
        **cluster,
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "health_checks": [
            {
                "timeout": "0.5s",
                "interval": "1s",
                "no_traffic_interval": "1s",
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
                "http_health_check": {"path": f"{PREFIX}{model}/ready", "host": HOST},
            }
        ],
        "outlier_detection": {
            "consecutive_gateway_failure": 3,
            "enforcing_consecutive_5xx": 0,  # a model's own 500s are judged, not hidden
            "consecutive_local_origin_failure": 2,
            "split_external_local_origin_errors": True,
            "interval": "0.5s",
            "base_ejection_time": "2s",
            "max_ejection_percent": 100,
            "always_eject_one_host": True,
        },
    }


def _fallback(name: str, stable: str, end: str) -> Json:
    return {
        "name": f"{name}_or_{stable}{end}",
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": "0.25s",
        "circuit_breakers": _ROOM,
        "typed_extension_protocol_options": _http({"http_filters": _WHOLE_ANSWERS}),
        "cluster_type": {
            "name": "envoy.clusters.composite",
            "typed_config": {
                "@type": f"{TYPES}extensions.clusters.composite.v3.ClusterConfig",
                "clusters": [{"name": f"{name}_guarded{end}"}, {"name": f"{stable}_http{end}"}],
            },
        },
    }
