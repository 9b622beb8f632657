"""Reading the JSON of Kubernetes objects."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Object = Mapping[str, Any]

_QUANTITY = re.compile(r"([0-9.]+(?:[eE][+-]?[0-9]+)?)([a-zA-Z]*)")
_UNITS = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}


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
    return dict(thing.get("metadata", {}).get("labels") or {})


def deleting(thing: Object) -> bool:
    """Whether somebody has asked for the object's end."""
    return "deletionTimestamp" in thing["metadata"]


def conditions(thing: Object) -> tuple[Object, ...]:
    """Return status.conditions."""
    return tuple(status(thing).get("conditions") or ())


def condition(thing: Object, kind: str) -> Object:
    """Return the condition of this type, empty when it was never set."""
    return next((one for one in conditions(thing) if one.get("type") == kind), {})


def moment(text: str | None) -> datetime | None:
    """Return the time that the API wrote, None when it wrote none."""
    return datetime.fromisoformat(text).astimezone(UTC) if text else None


def quantity(value: str | float | None) -> float:
    """Return a Kubernetes quantity as a number; nothing is 0.

    Grammar: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/.
    """
    if value is None:
        return 0.0
    found = _QUANTITY.fullmatch(str(value))
    if found is None or found[2] not in {**_UNITS, **_BINARY}:
        raise ValueError(f"{value!r} is no Kubernetes quantity")
    return float(found[1]) * {**_UNITS, **_BINARY}[found[2]]


def mebibytes(count: float) -> str:
    """Return bytes as people read them."""
    return f"{count / 2**20:.0f}Mi"


def environment(container: Object) -> dict[str, str]:
    """Return the variables of a container that are said in plain."""
    return {one["name"]: str(one["value"]) for one in container.get("env") or () if one.get("value") is not None}


def containers(pod_spec: Object) -> dict[str, Object]:
    """Return the containers of a pod's spec by name."""
    return {one["name"]: one for one in pod_spec.get("containers") or ()}
