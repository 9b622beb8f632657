"""Leases as Kubernetes keeps them: one `coordination.k8s.io/v1` Lease for each route.

Kubernetes' own fields say what people look for (`kubectl get leases`); an annotation holds the rest. Two who write at
once are told apart by the object's resourceVersion, as with the election of a leader:
https://kubernetes.io/docs/concepts/architecture/leases/.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, TypeVar

import urllib3
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from firstflight.domain.errors import BackendUnavailableError, ServingError
from firstflight.serving.lease import Lease, Surrender, refuse_renewal
from firstflight.serving.seldon.marks import OURS

log = logging.getLogger(__name__)
T = TypeVar("T")
_LEASE = "firstflight.io/lease"
_SECONDS = (3.0, 10.0)
"""To connect, and to answer."""
_TRIES = 8


class _OutdatedError(ServingError):
    """Somebody else has written since, or there is none."""


class KubernetesLeases:
    """The leases of a namespace."""

    def __init__(self, configuration: client.Configuration, namespace: str) -> None:
        """Keep where they are; nothing is asked yet."""
        self._namespace = namespace
        self._host = configuration.host
        self._api: Any = client.CoordinationV1Api(client.ApiClient(configuration))  # the package types none

    def hold(self, lease: Lease) -> None:
        """Keep `lease` as that of its route."""

        def write() -> None:
            present = self._read(lease.route)
            refuse_renewal(lease, _lease(present))
            if present is None:
                metadata = client.V1ObjectMeta(name=lease.route, labels=dict(OURS))
                body = client.V1Lease(api_version="coordination.k8s.io/v1", kind="Lease", metadata=metadata)
                self._ask(self._api.create_namespaced_lease, body=_with(body, lease))
            else:
                self._replace(present, lease)

        self._again(lease.route, write)

    def held(self) -> Mapping[str, Lease]:
        """Return every lease by its route, in one request."""
        ours = ",".join(f"{key}={value}" for key, value in OURS.items())
        found = self._ask(self._api.list_namespaced_lease, label_selector=ours).items
        leases = {}
        for one in found:
            try:
                lease = _lease(one)
            except ServingError as error:  # the others' rollouts are looked after all the same
                log.error("%s", error)  # noqa: TRY400 - the message is the whole story
                continue
            if lease is not None:
                leases[lease.route] = lease
        return leases

    def surrender(self, route: str, why: Surrender) -> Lease | None:
        """Mark the lease of `route`."""

        def write() -> Lease | None:
            present = self._read(route)
            if (lease := _lease(present)) is not None and lease.surrendered is None:
                lease = lease.model_copy(update={"surrendered": why})
                self._replace(present, lease)
            return lease

        return self._again(route, write)

    def release(self, route: str, token: int) -> None:
        """Drop the lease of `route`."""

        def drop() -> None:
            present = self._read(route)
            if (lease := _lease(present)) is not None and lease.token <= token:
                still = client.V1Preconditions(resource_version=present.metadata.resource_version)
                options = client.V1DeleteOptions(preconditions=still)
                self._ask(self._api.delete_namespaced_lease, route, body=options)

        self._again(route, drop)

    def _read(self, route: str) -> Any:
        try:
            found = self._ask(self._api.read_namespaced_lease, route)
        except _OutdatedError:
            return None
        if _lease(found) is None:
            raise ServingError(
                f"the Lease {route} in {self._namespace} is not ours, and a rollout of {route} needs one of that name;"
                f" see who holds it: kubectl get lease {route} -n {self._namespace}"
            )
        return found

    def _replace(self, present: Any, lease: Lease) -> None:
        self._ask(self._api.replace_namespaced_lease, lease.route, body=_with(present, lease))

    def _again(self, route: str, write: Callable[[], T]) -> T:
        """Read and write until nobody has written in between."""
        for _ in range(_TRIES):
            try:
                return write()
            except _OutdatedError:
                continue
        raise BackendUnavailableError(f"{route}: its lease changes all the time; try again")

    def _ask(self, call: Callable[..., Any], name: str | None = None, **given: Any) -> Any:
        with self._translated(f"{call.__name__} {name or ''}".strip()):
            place = {"namespace": self._namespace, **({"name": name} if name else {})}
            return call(**place, **given, _request_timeout=_SECONDS)

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        try:
            yield
        except ApiException as error:
            said = f"{what} in {self._namespace}: {error.status} {error.reason}"
            match error.status:
                case HTTPStatus.NOT_FOUND | HTTPStatus.CONFLICT:
                    raise _OutdatedError(said) from error
                case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                    raise ServingError(
                        f"{said}; bind the Role `serving-client` of k8s/base/roles.yaml to who asks"
                    ) from error
                case HTTPStatus.TOO_MANY_REQUESTS | None:
                    raise BackendUnavailableError(said) from error
                case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise BackendUnavailableError(said) from error
                case _:
                    raise ServingError(said) from error
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise BackendUnavailableError(
                f"the Kubernetes API at {self._host} gave no whole answer to {what}: {error!r}"
            ) from error


def _lease(found: Any) -> Lease | None:
    text = ((found.metadata.annotations or {}) if found is not None else {}).get(_LEASE)
    try:
        return Lease.model_validate_json(text) if text else None
    except ValueError as error:
        raise ServingError(
            f"the Lease {found.metadata.name} has the annotation {_LEASE}={text!r}, which is none of ours; delete it:"
            f" kubectl delete lease {found.metadata.name}"
        ) from error


def _with(body: Any, lease: Lease) -> Any:
    """Return `body` with `lease` in it.

    Kubernetes' MicroTime has six digits after the point, always. The package writes none when they are zeros, so the
    field that people read is never so exact; the annotation is.
    """
    body.metadata.annotations = {**(body.metadata.annotations or {}), _LEASE: lease.model_dump_json()}
    body.spec = client.V1LeaseSpec(
        holder_identity=lease.holder,
        lease_duration_seconds=max(1, round(lease.seconds)),
        renew_time=lease.renewed_at.replace(microsecond=lease.renewed_at.microsecond or 1),
    )
    return body
