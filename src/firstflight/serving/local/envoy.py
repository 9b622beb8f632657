"""Envoy's configuration, as pure functions from splits to JSON, and back.

A client sees what Seldon Core v2 shows: the request header `seldon-model` chooses the route, the answer's
`x-seldon-route` names the served model that was chosen, sent back it chooses the same one again, and a
shadow is mirrored through a second listener. https://www.envoyproxy.io/docs/envoy/v1.40.0/api-v3

Profiles: `seldon` retries at the same model server, as a cluster does. `safe` tries the chosen server first
and then stable, so that clients do not notice when a candidate dies; `x-seldon-route` still names the one that
was chosen, `x-served-by` the one that answered.

Clusters, by served name (none changes its meaning while it is in use):
    <name>_http          the server, as it is
    <name>_guarded       the same, left alone as soon as it fails (safe; candidates only, never the last resort)
    <name>_or_<stable>   first `<name>_guarded`, at the second try `<stable>_http` (safe)
    mirror               our own second listener
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from firstflight.domain.latency import EDGES
from firstflight.domain.traffic import TrafficSplit
from firstflight.serving.route_header import ROUTE_HEADER, route_value
from firstflight.settings import Ports

Json = dict[str, Any]
Profile = Literal["safe", "seldon"]
Listener = Literal["main", "mirror"]

LISTENERS: dict[Listener, str] = {"main": "listener_0", "mirror": "listener_1"}
"""Names of the route configurations, as in Seldon."""
PREFIX = "/v2/models/"
"""Paths clients may ask for; the rest of MLServer's, such as unloading a model, are not theirs."""
UNIT_HEADER = "x-unit-id"
MIRROR = "mirror"
_NOTES = "firstflight"
_TYPES = "type.googleapis.com/envoy."

_RETRY: dict[Profile, Json] = {
    "safe": {
        # Not on a model's own 500: those are the candidate's errors, to be seen and judged.
        "retry_on": "connect-failure,refused-stream,reset,gateway-error",
        "num_retries": 1,
        "per_try_timeout": "1s",
        "retry_back_off": {"base_interval": "0.005s", "max_interval": "0.02s"},
    },
    "seldon": {
        "retry_on": "5xx,connect-failure",
        "num_retries": 5,
        "retry_back_off": {"base_interval": "0.5s"},
    },
}
# A server that dies between the headers and the body of an answer has sent something a second try cannot take back.
# So a candidate's answer (at most 1 MiB) is collected before the client sees its first byte.
_WHOLE_ANSWERS: list[Json] = [
    {
        "name": "envoy.filters.http.lua",
        "typed_config": {
            "@type": f"{_TYPES}extensions.filters.http.lua.v3.Lua",
            "default_source_code": {"inline_string": "function envoy_on_response(answer) answer:body() end"},
        },
    },
    {
        "name": "envoy.filters.http.upstream_codec",
        "typed_config": {"@type": f"{_TYPES}extensions.filters.http.upstream_codec.v3.UpstreamCodec"},
    },
]
_TIMEOUT: dict[Profile, str] = {"safe": "3s", "seldon": "0s"}


def bootstrap(folder: Path, ports: Ports) -> Json:
    """Return the configuration Envoy starts with; clusters and routes come from files below `folder`."""
    return {
        "node": {"id": "firstflight", "cluster": "firstflight"},
        "admin": {"address": _address(ports.gateway_admin)},
        "stats_flush_interval": "1s",
        "stats_config": {
            "histogram_bucket_settings": [{"match": {"suffix": "upstream_rq_time"}, "buckets": list(EDGES)}]
        },
        "dynamic_resources": {"cds_config": _source(clusters_file(folder))},
        "static_resources": {
            "listeners": [
                _listener("main", ports.gateway, folder),
                _listener("mirror", ports.gateway_mirror, folder),
            ]
        },
    }


def clusters_file(folder: Path) -> Path:
    """Return the file of all clusters; Envoy watches its folder."""
    return folder / "cds" / "cds.json"


def routes_file(folder: Path, listener: Listener) -> Path:
    """Return the file of one listener's routes; Envoy watches its folder."""
    return folder / f"rds_{LISTENERS[listener]}" / "rds.json"


def access_log(folder: Path) -> Path:
    """Return the file with one JSON line for each request; POST /reopen_logs after renaming it."""
    return folder / "access.jsonl"


def clusters(
    splits: Iterable[TrafficSplit], servers: Mapping[str, tuple[str, int]], profile: Profile, mirror_port: int
) -> list[Json]:
    """Return the clusters that `splits` need; `servers` gives model and REST port of each served name."""
    found = {MIRROR: _cluster(MIRROR, "mirror", mirror_port)}
    for split in splits:
        for name in (*split.weights, *([split.shadow] if split.shadow else [])):
            model, port = servers[name]
            plain = _cluster(f"{name}_http", name, port)
            wanted = [plain if profile == "safe" else _as_in_seldon(plain)]
            if _guarded(split, name, profile):
                wanted += [
                    _guard(_cluster(f"{name}_guarded", name, port), model),
                    _fallback(name, split.stable),
                ]
            found.update({cluster["name"]: cluster for cluster in wanted})
    return [{"@type": f"{_TYPES}config.cluster.v3.Cluster", **cluster} for cluster in found.values()]


def concerns(cluster: Json, name: str) -> bool:
    """Whether the cluster sends requests to the served `name`."""
    return cluster["name"] != MIRROR and name in cluster["name"].split("_")


def routes(splits: Mapping[str, TrafficSplit], listener: Listener, profile: Profile) -> Json:
    """Return the route configuration of one listener."""
    per_route = _main_routes if listener == "main" else _mirror_routes
    return {
        "@type": f"{_TYPES}config.route.v3.RouteConfiguration",
        "name": LISTENERS[listener],
        "validate_clusters": True,  # else an unknown cluster is accepted and fails its share of requests
        "virtual_hosts": [
            {
                "name": "seldon",
                "domains": ["*"],
                "response_headers_to_add": [_header("x-served-by", "%UPSTREAM_METADATA(envoy.lb:served)%")],
                "routes": [entry for route, split in splits.items() for entry in per_route(route, split, profile)],
            }
        ],
    }


def splits_of(main: list[Json], mirror: list[Json]) -> dict[str, TrafficSplit]:
    """Return the splits that the listeners' route configurations carry out, by route: the inverse of `routes`.

    A shadow counts only when requests are copied and the second listener knows whom the copies go to.
    """
    shadows = {
        entry["metadata"]["filter_metadata"][_NOTES]["route"]: entry["route"]["cluster"].removesuffix("_http")
        for entry in _entries(mirror)
    }
    found = {}
    for entry in _entries(main):
        if "weighted_clusters" not in entry["route"]:
            continue
        notes = entry["metadata"]["filter_metadata"][_NOTES]
        found[notes["route"]] = TrafficSplit(
            stable=notes["stable"],
            weights={_assigned(choice): choice["weight"] for choice in entry["route"]["weighted_clusters"]["clusters"]},
            shadow=shadows.get(notes["route"]) if entry["route"].get("request_mirror_policies") else None,
        )
    return found


def _main_routes(route: str, split: TrafficSplit, profile: Profile) -> list[Json]:
    # Candidates first: while a candidate's weight grows its share of the hash's range only grows, nobody changes back.
    names = [*(name for name in split.weights if name != split.stable), split.stable]
    choices = [
        {
            "name": _target(split, name, profile),
            "weight": split.weights[name],
            "response_headers_to_add": [_header(ROUTE_HEADER, route_value(name))],
        }
        for name in names
    ]
    action = {
        "timeout": _TIMEOUT[profile],
        "hash_policy": [{"header": {"header_name": UNIT_HEADER}, "terminal": True}],
        "retry_policy": _RETRY[profile],
        **({"request_mirror_policies": [_COPY]} if split.shadow else {}),
    }
    # Seldon's own routes answer 404 to a name that no longer has a route, and keep those who send back a name at a
    # model whose weight is 0. Here both get whom the weights say.
    sticky = [
        {
            "match": _match(route, {"name": ROUTE_HEADER, "string_match": {"contains": route_value(choice_name)}}),
            "route": {"cluster": choice["name"], **action},
            "response_headers_to_add": choice["response_headers_to_add"],
        }
        for choice_name, choice in zip(names, choices, strict=True)
        if choice["weight"]
    ]
    return [
        *sticky,
        {
            "name": route,
            "match": _match(route),
            "route": {"weighted_clusters": {"use_hash_policy": True, "clusters": choices}, **action},
            "metadata": {"filter_metadata": {_NOTES: {"route": route, "stable": split.stable}}},
        },
    ]


def _mirror_routes(route: str, split: TrafficSplit, profile: Profile) -> list[Json]:
    if not split.shadow:
        return []
    return [
        {
            "name": route,
            "match": _match(route),
            "route": {"cluster": f"{split.shadow}_http", "timeout": _TIMEOUT[profile]},
            "metadata": {"filter_metadata": {_NOTES: {"route": route}}},
        }
    ]


_COPY = {"cluster": MIRROR, "runtime_fraction": {"default_value": {"numerator": 100, "denominator": "HUNDRED"}}}


def _target(split: TrafficSplit, name: str, profile: Profile) -> str:
    return f"{name}_or_{split.stable}" if _guarded(split, name, profile) else f"{name}_http"


def _guarded(split: TrafficSplit, name: str, profile: Profile) -> bool:
    return profile == "safe" and name not in {split.stable, split.shadow}


def _assigned(choice: Json) -> str:
    value: str = choice["response_headers_to_add"][0]["header"]["value"]
    return value.removeprefix(":").removesuffix("_1:")


def _match(route: str, *more: Json) -> Json:
    asked = {"safe_regex": {"regex": rf"{route}(\.experiment)?"}}  # a split's own name in Seldon, and a model's
    return {"prefix": PREFIX, "headers": [{"name": "seldon-model", "string_match": asked}, *more]}


def _entries(configurations: list[Json]) -> list[Json]:
    hosts = [host for configuration in configurations for host in configuration["virtual_hosts"]]
    return [entry for host in hosts for entry in host.get("routes", [])]


def _cluster(name: str, served: str, port: int) -> Json:
    endpoint = {
        "endpoint": {"address": _address(port)},
        "metadata": {"filter_metadata": {"envoy.lb": {"served": served}}},
    }
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "0.25s",
        # uvicorn closes idle connections after 5 s; a request sent at that moment would be lost.
        "typed_extension_protocol_options": _http({"common_http_protocol_options": {"idle_timeout": "3s"}}),
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _http(options: Json) -> Json:
    return {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": f"{_TYPES}extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http_protocol_options": {}},
            **options,
        }
    }


def _as_in_seldon(cluster: Json) -> Json:
    return {**cluster, "lb_policy": "LEAST_REQUEST", "circuit_breakers": {"thresholds": [{"max_retries": 5}]}}


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
                "http_health_check": {"path": f"{PREFIX}{model}/ready"},
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


def _fallback(name: str, stable: str) -> Json:
    return {
        "name": f"{name}_or_{stable}",
        "lb_policy": "CLUSTER_PROVIDED",
        "connect_timeout": "0.25s",
        "typed_extension_protocol_options": _http({"http_filters": _WHOLE_ANSWERS}),
        "cluster_type": {
            "name": "envoy.clusters.composite",
            "typed_config": {
                "@type": f"{_TYPES}extensions.clusters.composite.v3.ClusterConfig",
                "clusters": [{"name": f"{name}_guarded"}, {"name": f"{stable}_http"}],
            },
        },
    }


def _listener(listener: Listener, port: int, folder: Path) -> Json:
    manager = {
        "@type": f"{_TYPES}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": listener,
        "generate_request_id": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "rds": {"route_config_name": LISTENERS[listener], "config_source": _source(routes_file(folder, listener))},
        "access_log": [
            {
                "name": "envoy.access_loggers.file",
                "typed_config": {
                    "@type": f"{_TYPES}extensions.access_loggers.file.v3.FileAccessLog",
                    "path": str(access_log(folder)),
                    "log_format": {"json_format": _log_line(listener)},
                },
            }
        ],
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{_TYPES}extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    return {
        "name": listener,
        "address": _address(port),
        "enable_reuse_port": False,  # else a second Envoy starts at the same port and steals half of the traffic
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }


def _log_line(listener: Listener) -> Json:
    return {
        "ts": "%START_TIME(%s.%6f)%",
        "rid": "%REQ(X-REQUEST-ID)%",
        "unit": "%REQ(X-UNIT-ID)%",
        "route": "%REQ(SELDON-MODEL)%",
        "listener": listener,
        "assigned": "%RESP(X-SELDON-ROUTE)%",
        "served": "%UPSTREAM_METADATA(envoy.lb:served)%",
        "pred": "%RESP(X-PREDICTION)%",
        "code": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "us": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%",
    }


def _header(name: str, value: str) -> Json:
    return {"header": {"key": name, "value": value}}


def _address(port: int) -> Json:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _source(file: Path) -> Json:
    source = {"path": str(file), "watched_directory": {"path": str(file.parent)}}
    return {"resource_api_version": "V3", "path_config_source": source}
