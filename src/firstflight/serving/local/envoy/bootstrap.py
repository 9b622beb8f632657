"""What Envoy starts with: its listeners, what it logs, and the files that it watches for the rest.

A request is whole before a model is chosen, so what a client does while it sends is no model's fault.
"""

from pathlib import Path

from firstflight.domain.latency import EDGES
from firstflight.serving.limits import LONGEST_NAME, MOST_BYTES, MOST_CALLS, MOST_CONNECTIONS, SECONDS_TO_SEND
from firstflight.serving.local.envoy.names import LISTENERS, TYPES, Json, Listener, address, pipe
from firstflight.settings import Ports
from firstflight.supervision.sockets import socket_folder

_MOST_HEADER_KIB = 32
_IDLE_SECONDS = 60


def bootstrap(folder: Path, ports: Ports) -> Json:
    """Return the configuration Envoy starts with; clusters and routes come from files below `folder`."""
    return {
        "node": {"id": "firstflight", "cluster": "firstflight"},
        "admin": {"address": pipe(admin_socket(folder))},
        "stats_flush_interval": "1s",
        "stats_config": {
            "histogram_bucket_settings": [{"match": {"suffix": "upstream_rq_time"}, "buckets": list(EDGES)}]
        },
        "overload_manager": {"resource_monitors": [_CONNECTIONS]},
        "dynamic_resources": {"cds_config": _source(clusters_file(folder))},
        "static_resources": {
            "listeners": [
                _listener("main", address(ports.gateway), folder),
                _listener("mirror", pipe(mirror_socket(folder)), folder),
            ]
        },
    }


_CONNECTIONS: Json = {
    "name": "envoy.resource_monitors.global_downstream_max_connections",
    "typed_config": {
        "@type": f"{TYPES}extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
        "max_active_downstream_connections": MOST_CONNECTIONS,
    },
}


def admin_socket(folder: Path) -> Path:
    """Return where the gateway is asked what it does and told to end: by no port, so that no page reaches it."""
    return socket_folder(folder.resolve()) / "admin.sock"  # the same by every name of the home


def mirror_socket(folder: Path) -> Path:
    """Return where the gateway sends copies for a shadow: a client that could ask there would write its evidence."""
    return socket_folder(folder.resolve()) / "mirror.sock"


def clusters_file(folder: Path) -> Path:
    """Return the file of all clusters; Envoy watches its folder."""
    return folder / "cds" / "cds.json"


def routes_file(folder: Path, listener: Listener) -> Path:
    """Return the file of one listener's routes; Envoy watches its folder."""
    return folder / f"rds_{LISTENERS[listener]}" / "rds.json"


def access_log(folder: Path) -> Path:
    """Return the file with one JSON line for each request; POST /reopen_logs after renaming it."""
    return folder / "access.jsonl"


def _listener(listener: Listener, where: Json, folder: Path) -> Json:
    manager = {
        "@type": f"{TYPES}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": listener,
        "codec_type": "AUTO",  # HTTP/1.1, or HTTP/2 when a client begins with it, as gRPC does
        "http2_protocol_options": {"max_concurrent_streams": MOST_CALLS},
        "normalize_path": True,
        "strip_any_host_port": True,
        "max_request_headers_kb": _MOST_HEADER_KIB,
        "request_timeout": f"{SECONDS_TO_SEND}s",
        "common_http_protocol_options": {"idle_timeout": f"{_IDLE_SECONDS}s", "max_headers_count": 100},
        "generate_request_id": True,
        "preserve_external_request_id": True,
        "always_set_request_id_in_response": True,
        "rds": {"route_config_name": LISTENERS[listener], "config_source": _source(routes_file(folder, listener))},
        "access_log": [
            {
                "name": "envoy.access_loggers.file",
                "typed_config": {
                    "@type": f"{TYPES}extensions.access_loggers.file.v3.FileAccessLog",
                    "path": str(access_log(folder)),
                    "log_format": {"json_format": _log_line(listener)},
                },
            }
        ],
        "http_filters": [
            {
                "name": "envoy.filters.http.buffer",
                "typed_config": {
                    "@type": f"{TYPES}extensions.filters.http.buffer.v3.Buffer",
                    "max_request_bytes": MOST_BYTES,
                },
            },
            {  # counts what came of calls: they fail with code 200
                "name": "envoy.filters.http.grpc_stats",
                "typed_config": {
                    "@type": f"{TYPES}extensions.filters.http.grpc_stats.v3.FilterConfig",
                    "stats_for_all_methods": False,
                },
            },
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{TYPES}extensions.filters.http.router.v3.Router"},
            },
        ],
    }
    return {
        "name": listener,
        "ignore_global_conn_limit": listener == "mirror",  # its only client is this gateway
        "address": where,
        "enable_reuse_port": False,  # else a second Envoy starts at the same port and steals half of the traffic
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }


def _log_line(listener: Listener) -> Json:
    return {
        "ts": "%START_TIME(%s.%6f)%",
        "key": "%UNIQUE_ID%",
        "rid": f"%REQ(X-REQUEST-ID):{LONGEST_NAME}%",
        "unit": f"%REQ(X-UNIT-ID):{LONGEST_NAME}%",
        "route": f"%REQ(SELDON-MODEL):{LONGEST_NAME}%",
        "matched": "%ROUTE_NAME%",
        "cluster": "%UPSTREAM_CLUSTER_RAW%",
        "listener": listener,
        "assigned": "%RESP(X-SELDON-ROUTE)%",
        "served": "%UPSTREAM_METADATA(envoy.lb:served)%",
        "pred": "%RESP(X-PREDICTION)%",
        "code": "%RESPONSE_CODE%",
        "grpc": "%GRPC_STATUS_NUMBER%",
        "flags": "%RESPONSE_FLAGS%",
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "us": "%COMMON_DURATION(DS_RX_END:DS_TX_END:us)%",
    }


def _source(file: Path) -> Json:
    source = {"path": str(file), "watched_directory": {"path": str(file.parent)}}
    return {"resource_api_version": "V3", "path_config_source": source}
