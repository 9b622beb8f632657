"""Reading the JSON of Kubernetes objects."""

from datetime import UTC, datetime
from typing import Any

from kubernetes.utils.quantity import parse_quantity

Object = dict[str, Any]


def name_of(thing: Object) -> str:
    """Return metadata.name."""
    return str(thing["metadata"]["name"])


def spec(thing: Object) -> Object:
    """Return the object's spec, empty when it has none."""
    return thing.get("spec") or {}


def status(thing: Object) -> Object:
    """Return the object's status, empty when it has none."""
    return thing.get("status") or {}


def labels(thing: Object) -> dict[str, str]:
    """Return metadata.labels."""
    return thing.get("metadata", {}).get("labels") or {}


def is_ending(thing: Object) -> bool:
    """Whether somebody has asked for the object's end."""
    return "deletionTimestamp" in thing["metadata"]


def condition(thing: Object, kind: str) -> Object:
    """Return the condition of this type, empty when it was never set."""
    return next((one for one in status(thing).get("conditions") or () if one.get("type") == kind), {})


def is_true(thing: Object, kind: str) -> bool:
    """Whether the condition of this type says True."""
    return condition(thing, kind).get("status") == "True"


def moment(text: str | None) -> datetime | None:
    """Return the time that the API wrote, None when it wrote none."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def quantity(value: str | float | None) -> float:
    """Return a Kubernetes quantity as a number; nothing is 0. Raises ValueError when it is none."""
    return float(parse_quantity(value or 0))  # type: ignore[no-untyped-call]  # the package types none


def environment(container: Object) -> dict[str, str]:
    """Return the variables of a container that are said in plain."""
    return {one["name"]: str(one["value"]) for one in container.get("env") or () if one.get("value") is not None}


def containers(pod_spec: Object) -> dict[str, Object]:
    """Return the containers of a pod's spec by name."""
    return {one["name"]: one for one in pod_spec.get("containers") or ()}
