"""Clusters: the model servers as Envoy sees them, and whom it asks instead."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from firstflight.domain.traffic import TrafficSplit
from firstflight.serving.limits import MOST_AT_ONCE, MOST_CONNECTIONS
from firstflight.serving.local.envoy.names import (
    HOST,
    MIRRORS,
    PREFIX,
    TYPES,
    Json,
    Profile,
    Protocol,
    address,
    is_guarded,
    pipe,
    tail,
)
from firstflight.serving.local.servers import ServerPorts
from firstflight.serving.tallies import BY_CLIENT, TOLD

# A server that dies between the headers and the body of an answer has sent something a second try cannot take back.
# So a candidate's answer (at most 1 MiB) is collected before the client sees its first byte.
# Envoy's own limits (three retries at a time, 1,024 of the rest) would fail requests that were let in.
_ROOM: Json = {
    "thresholds": [
        {
            "max_connections": MOST_CONNECTIONS,
            **dict.fromkeys(("max_pending_requests", "max_requests", "max_retries"), MOST_AT_ONCE),
        }
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
    splits: Iterable[TrafficSplit], servers: Mapping[str, tuple[str, ServerPorts]], profile: Profile, mirror: Path
) -> list[Json]:
    """Return the clusters that `splits` need; `servers` gives model and ports of each served name."""
    found = {name: _cluster(name, "mirror", pipe(mirror), protocol) for protocol, name in MIRRORS.items()}
    for split in splits:
        for protocol in MIRRORS:
            made = _of_split(split, servers, profile, protocol)
            found.update({cluster["name"]: cluster for cluster in made})
    return [{"@type": f"{TYPES}config.cluster.v3.Cluster", **cluster} for cluster in found.values()]


def _of_split(
    split: TrafficSplit, servers: Mapping[str, tuple[str, ServerPorts]], profile: Profile, protocol: Protocol
) -> Iterator[Json]:
    def to(cluster: str, name: str) -> Json:
        ports = servers[name][1]
        return _cluster(cluster, name, address(ports.rest if protocol == "http" else ports.grpc), protocol)

    named = [(name, end) for name in split.weights for end in ("", BY_CLIENT)]
    for name, end in (*named, *([(split.shadow, "")] if split.shadow else [])):
        plain = to(f"{name}_{protocol}{end}", name)
        yield plain if profile == "safe" else _as_in_seldon(plain)
        if is_guarded(split, name, profile):
            model, ports = servers[name]
            yield _guard(to(f"{name}_guarded{tail(protocol)}{end}", name), model, ports.rest)
            yield _fallback(name, split.stable, end, protocol)
    yield to(f"{split.stable}{tail(protocol)}{TOLD}", split.stable)


def concerns(cluster: Json, name: str) -> bool:
    """Whether the cluster sends requests to the served `name`."""
    return cluster["name"] not in MIRRORS.values() and name in cluster["name"].split("_")


def _cluster(name: str, served: str, where: Json, protocol: Protocol) -> Json:
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
        "typed_extension_protocol_options": _http(protocol, {"common_http_protocol_options": {"idle_timeout": "3s"}}),
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _http(protocol: Protocol, options: Json) -> Json:
    spoken = "http_protocol_options" if protocol == "http" else "http2_protocol_options"
    return {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": f"{TYPES}extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {spoken: {}},
            **options,
        }
    }


def _as_in_seldon(cluster: Json) -> Json:
    return {**cluster, "lb_policy": "LEAST_REQUEST", "circuit_breakers": _ROOM_IN_SELDON}


def _guard(cluster: Json, model: str, rest: int) -> Json:
    [group] = cluster["load_assignment"]["endpoints"]
    [endpoint] = group["lb_endpoints"]
    asked = {**endpoint["endpoint"], "health_check_config": {"port_value": rest}}  # by REST, whatever else it speaks
    endpoints = [{"lb_endpoints": [{**endpoint, "endpoint": asked}]}]
    return {
        **cluster,
        "load_assignment": {**cluster["load_assignment"], "endpoints": endpoints},
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


def _fallback(name: str, stable: str, end: str, protocol: Protocol) -> Json:
    return {
        "name": f"{name}_or_{stable}{tail(protocol)}{end}",
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": "0.25s",
        "circuit_breakers": _ROOM,
        "typed_extension_protocol_options": _http(protocol, {"http_filters": _WHOLE_ANSWERS}),
        "cluster_type": {
            "name": "envoy.clusters.composite",
            "typed_config": {
                "@type": f"{TYPES}extensions.clusters.composite.v3.ClusterConfig",
                "clusters": [
                    {"name": f"{name}_guarded{tail(protocol)}{end}"},
                    {"name": f"{stable}_{protocol}{end}"},
                ],
            },
        },
    }
