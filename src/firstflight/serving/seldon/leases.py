"""Leases as Kubernetes keeps them: one `coordination.k8s.io/v1` Lease for each route.

Kubernetes' own fields say what people look for (`kubectl get leases`); an annotation holds the rest. Two who write at
once are told apart by the object's resourceVersion, as with the election of a leader:
https://kubernetes.io/docs/concepts/architecture/leases/.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import UTC
from functools import partial
from typing import TypeVar

from firstflight.domain.errors import ServingError
from firstflight.serving.lease import Lease, Surrender, refuse_lease
from firstflight.serving.seldon.annotations import LEASE, OURS, noted
from firstflight.serving.seldon.api import Api, swap
from firstflight.serving.seldon.objects import Object, name_of

log = logging.getLogger(__name__)
_PLURAL = "leases"
Written = TypeVar("Written")


class KubernetesLeases:
    """The leases of a namespace."""

    def __init__(self, api: Api) -> None:
        """Keep where they are; nothing is asked yet."""
        self._api = api

    def hold(self, lease: Lease) -> None:
        """Keep `lease` as that of its route."""
        self._keep(lease, renewed=False)

    def renew(self, lease: Lease) -> None:
        """Keep it in the place of another."""
        self._keep(lease, renewed=True)

    def _keep(self, lease: Lease, *, renewed: bool) -> None:
        def write(present: Object | None) -> None:
            refuse_lease(lease, self._lease(present), renewed=renewed)
            if present is None:
                self._api.create(_PLURAL, _with({"metadata": {"name": lease.route, "labels": OURS}}, lease))
            else:
                self._api.replace(_PLURAL, _with(present, lease))

        self._swap(lease.route, write)

    def held(self) -> Mapping[str, Lease]:
        """Return every lease by its route, in one request."""
        leases = {}
        for one in self._api.list(_PLURAL, OURS):
            try:
                lease = _noted(one)
            except ServingError as error:  # the others' rollouts are looked after all the same
                log.error("%s", error)
                continue
            if lease is not None:
                leases[lease.route] = lease
        return leases

    def surrender(self, route: str, why: Surrender) -> Lease | None:
        """Mark the lease of `route`."""

        def write(present: Object | None) -> Lease | None:
            if present is None or (lease := self._lease(present)) is None:
                return None
            if lease.surrendered is None:
                lease = lease.model_copy(update={"surrendered": why})
                self._api.replace(_PLURAL, _with(present, lease))
            return lease

        return self._swap(route, write)

    def release(self, route: str, token: int) -> None:
        """Drop the lease of `route`."""

        def drop(present: Object | None) -> None:
            if present is not None and (lease := self._lease(present)) is not None and lease.token <= token:
                self._api.delete(_PLURAL, route, version=present["metadata"]["resourceVersion"])

        self._swap(route, drop)

    def _swap(self, route: str, write: Callable[[Object | None], Written]) -> Written:
        read = partial(self._api.get, _PLURAL, route)
        return swap(f"{route}: its lease", read(), write, read)

    def _lease(self, found: Object | None) -> Lease | None:
        """Return the lease in the object. Raises ServingError when the object is somebody else's."""
        if found is None:
            return None
        if (lease := _noted(found)) is None:
            name, namespace = name_of(found), found["metadata"].get("namespace")
            raise ServingError(
                f"the Lease {name} in {namespace} is not ours, and a rollout of {name} needs one of that name;"
                f" see who holds it: kubectl get lease {name} -n {namespace}"
            )
        return lease


def _noted(found: Object) -> Lease | None:
    return noted(found, LEASE, Lease, f"Delete the whole: kubectl delete lease {name_of(found)}")


def _with(body: Object, lease: Lease) -> Object:
    """Return `body` with `lease` in it; Kubernetes' MicroTime has six digits after the point, always."""
    metadata = body["metadata"]
    notes = {**(metadata.get("annotations") or {}), LEASE: lease.model_dump_json()}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {**metadata, "annotations": notes},
        "spec": {
            "holderIdentity": lease.holder,
            "leaseDurationSeconds": max(1, round(lease.seconds)),
            "renewTime": lease.renewed_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        },
    }
