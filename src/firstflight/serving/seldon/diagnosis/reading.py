"""Reading a snapshot: one list of each kind, all at once, and one GET of each Secret that is named.

Nothing is written, and nothing is asked of the API for each object.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Protocol

from firstflight.domain.errors import BackendUnavailableError
from firstflight.serving.seldon.api import Answer
from firstflight.serving.seldon.diagnosis.snapshot import GROUP, VERSION, Kind, Listing, Snapshot, Unseen
from firstflight.serving.seldon.diagnosis.storage import secret_names
from firstflight.serving.seldon.objects import Object

_SELDON = f"/apis/{GROUP}/{VERSION}"
_HERE: Mapping[Kind, str] = {
    "models": _SELDON,
    "experiments": _SELDON,
    "pipelines": _SELDON,
    "servers": _SELDON,
    "seldonruntimes": _SELDON,
    "statefulsets": "/apis/apps/v1",
    "pods": "/api/v1",
    "events": "/api/v1",
    "resourcequotas": "/api/v1",
    "limitranges": "/api/v1",
    "networkpolicies": "/apis/networking.k8s.io/v1",
}
_AT_ONCE = 8


class Reads(Protocol):
    """The only thing a doctor does to a cluster: `Api` can do more."""

    def read(self, path: str) -> Answer:
        """GET the path. Raises BackendUnavailableError when there is no answer."""


def read_snapshot(api: Reads, namespace: str, operator_namespace: str) -> Snapshot:
    """Read everything that diagnoses need.

    Raises:
        BackendUnavailableError: The API does not say even its version.
    """
    version = api.read("/version")
    if version.status != HTTPStatus.OK:
        raise BackendUnavailableError(f"the Kubernetes API answers {version.why} to /version")
    places = {kind: f"{group}/namespaces/{namespace}/{kind}" for kind, group in _HERE.items()}
    places["events"] += "?fieldSelector=reason%3DFailedCreate"  # there may be thousands of others
    places["serverconfigs"] = f"{_SELDON}/namespaces/{operator_namespace}/serverconfigs"
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="doctor") as pool:
        group = pool.submit(_body, api, f"/apis/{GROUP}")
        kinds = pool.submit(_body, api, _SELDON)
        agents = pool.submit(_body, api, f"/api/v1/namespaces/{namespace}/configmaps/seldon-agent")
        asked = {kind: pool.submit(_list, api, path) for kind, path in places.items()}
        listings = {kind: future.result() for kind, future in asked.items()}
        models, servers = listings["models"], listings["servers"]
        names = sorted(secret_names(_seen(models), agents.result()))
        secrets = dict(zip(names, pool.map(lambda name: _secret(api, namespace, name), names), strict=True))
        exists = pool.submit(_exists, api, namespace)
        elsewhere = _list(api, f"{_SELDON}/servers") if servers == () else ()
        return Snapshot(
            namespace=namespace,
            operator_namespace=operator_namespace,
            now=datetime.now(UTC),
            version=str(version.body.get("gitVersion", "unknown")),
            group_versions=tuple(one["version"] for one in group.result().get("versions", ())),
            kinds=frozenset(one["name"] for one in kinds.result().get("resources", ()) if "/" not in one["name"]),
            listings=listings,
            secrets=secrets,
            servers_elsewhere=elsewhere,
            exists=exists.result(),
        )


def _list(api: Reads, path: str) -> Listing:
    what = _words(path)
    try:
        answer = api.read(path)
    except BackendUnavailableError as error:
        return Unseen(what, "list", str(error))
    if answer.status == HTTPStatus.OK and isinstance(answer.body, dict) and "items" in answer.body:
        return tuple(answer.body["items"] or ())
    return Unseen(what, "list", answer.why, absent=answer.status == HTTPStatus.NOT_FOUND)


def _exists(api: Reads, namespace: str) -> bool:
    """Return whether there is the namespace; lists of one that is not there are empty, and no errors."""
    try:
        return api.read(f"/api/v1/namespaces/{namespace}").status != HTTPStatus.NOT_FOUND
    except BackendUnavailableError:
        return True


def _body(api: Reads, path: str) -> dict[str, Any]:
    """Return what discovery says; nothing where the API knows nothing."""
    try:
        answer = api.read(path)
    except BackendUnavailableError:
        return {}
    return answer.body if answer.status == HTTPStatus.OK and isinstance(answer.body, dict) else {}


def _secret(api: Reads, namespace: str, name: str) -> Object | Unseen | None:
    what = f"Secret {name} in namespace {namespace}"
    try:
        answer = api.read(f"/api/v1/namespaces/{namespace}/secrets/{name}")
    except BackendUnavailableError as error:
        return Unseen(what, "get", str(error))
    if answer.status == HTTPStatus.NOT_FOUND:
        return None
    return answer.body if answer.status == HTTPStatus.OK else Unseen(what, "get", answer.why)


def _seen(listing: Listing) -> tuple[Object, ...]:
    return () if isinstance(listing, Unseen) else listing


def _words(path: str) -> str:
    *_, namespace, kind = path.partition("?")[0].split("/")
    return f"{kind} in namespace {namespace}" if "/namespaces/" in path else f"{kind} in every namespace"
