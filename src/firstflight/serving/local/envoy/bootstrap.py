"""What Envoy starts with: its listeners, what it logs, and the files that it watches for the rest."""

from pathlib import Path

from firstflight.domain.latency import EDGES
from firstflight.serving.local.envoy.names import LISTENERS, TYPES, Json, Listener, address
from firstflight.settings import Ports


def bootstrap(folder: Path, ports: Ports) -> Json:
    """Return the configuration Envoy starts with; clusters and routes come from files below `folder`."""
    return {
        "node": {"id": "firstflight", "cluster": "firstflight"},
        "admin": {"address": address(ports.gateway_admin)},
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


def _listener(listener: Listener, port: int, folder: Path) -> Json:
    manager = {
        "@type": f"{TYPES}extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": listener,
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
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{TYPES}extensions.filters.http.router.v3.Router"},
            }
        ],
    }
    return {
        "name": listener,
        "address": address(port),
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


def _source(file: Path) -> Json:
    source = {"path": str(file), "watched_directory": {"path": str(file.parent)}}
    return {"resource_api_version": "V3", "path_config_source": source}
