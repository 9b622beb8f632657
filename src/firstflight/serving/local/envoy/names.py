"""The words by which Envoy's files refer to one another."""

from pathlib import Path
from typing import Any, Literal

from firstflight.domain.traffic import TrafficSplit
from firstflight.serving.tallies import GRPC

Json = dict[str, Any]
Profile = Literal["safe", "seldon"]
Listener = Literal["main", "mirror"]
Protocol = Literal["http", "grpc"]
"""By which a request comes, and goes on to the model server."""

LISTENERS: dict[Listener, str] = {"main": "listener_0", "mirror": "listener_1"}
"""Names of the route configurations, as in Seldon."""
PREFIX = "/v2/models/"
"""Below it lies what clients may ask for."""
SERVICE = "/inference.GRPCInferenceService/"
"""The same by gRPC."""
MIRRORS: dict[Protocol, str] = {"http": "mirror", "grpc": "mirror_grpc"}
HOST = "127.0.0.1"
"""Whom model servers let themselves be asked for; clients may call the gateway `localhost` as well."""
TYPES = "type.googleapis.com/envoy."


def target(split: TrafficSplit, name: str, profile: Profile, protocol: Protocol) -> str:
    """Return the cluster that answers for the served `name`."""
    if is_guarded(split, name, profile):
        return f"{name}_or_{split.stable}{tail(protocol)}"
    return f"{name}_{protocol}"


def tail(protocol: Protocol) -> str:
    """Return what ends the names of clusters that were there before gRPC was."""
    return "" if protocol == "http" else GRPC


def is_guarded(split: TrafficSplit, name: str, profile: Profile) -> bool:
    """Return whether `name` is left alone when it fails: whoever is the last resort never is."""
    return profile == "safe" and name not in {split.stable, split.shadow}


def address(port: int) -> Json:
    """Return Envoy's word for a loopback port."""
    return {"socket_address": {"address": HOST, "port_value": port}}


def pipe(path: Path) -> Json:
    """Return Envoy's word for a UNIX socket that is its user's alone."""
    return {"pipe": {"path": str(path), "mode": 0o600}}
