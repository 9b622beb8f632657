"""The lease of a rollout: its driver's word that somebody looks after the traffic, kept beside the router.

A lease is renewed while its driver makes progress. Who watches measures with a clock of his own how long ago the
lease last changed, as leaders are elected in Kubernetes
(https://kubernetes.io/docs/concepts/architecture/leases/), so no two clocks need agree.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Protocol

from pydantic import AwareDatetime, BeforeValidator, Field, RootModel, ValidationError

from firstflight.domain.errors import BackendUnavailableError, StaleTokenError
from firstflight.domain.values import Value
from firstflight.supervision.files import locked, replace

log = logging.getLogger(__name__)


class Surrender(Value):
    """Who wants a route home over its driver's head, and why; `trigger` is one word for what asked for it."""

    actor: str
    reason: str
    trigger: str


def _by_the_guard(told: object) -> object:
    """Read what leases said before they named who: a reason alone, mostly the guard's."""
    return {"actor": "guard", "reason": told, "trigger": "guard"} if isinstance(told, str) else told


class Lease(Value):
    """`holder` drives `rollout` on `route` and will renew this within `seconds`.

    `surrendered` is written before traffic moves and kept until the ledger knows, so that whoever ends the rollout
    does so in the name of who wanted it.
    """

    route: str
    rollout: str
    holder: str
    candidates: tuple[str, ...] = Field(description="Served names that are to get nothing when traffic goes home.")
    token: int = Field(description="The holder's fencing token.")
    seconds: float = Field(gt=0)
    renewed_at: AwareDatetime
    surrendered: Annotated[Surrender | None, BeforeValidator(_by_the_guard)] = None


class Leases(Protocol):
    """The leases of all routes. Methods raise `BackendUnavailableError` when they cannot be reached."""

    def hold(self, lease: Lease) -> None:
        """Keep `lease` as that of its route.

        Raises StaleTokenError when a newer driver holds the route, or this rollout was surrendered.
        """

    def renew(self, lease: Lease) -> None:
        """Do so in the place of another; raises StaleTokenError also when there is none: its rollout may have ended."""

    def held(self) -> Mapping[str, Lease]:
        """Return every lease by its route."""

    def surrender(self, route: str, why: Surrender) -> Lease | None:
        """Mark the lease of `route`, and return it: its rollout can no longer renew it. The first one's word stays.

        No lease is no error.
        """

    def release(self, route: str, token: int) -> None:
        """Drop the lease of `route` unless a newer driver than `token` holds it; no lease is no error."""


def refuse_lease(lease: Lease, present: Lease | None, *, renewed: bool) -> None:
    """Raise StaleTokenError when `present` does not allow `lease` in its place, or `renewed` finds none."""
    if present is None:
        if renewed:
            raise StaleTokenError(f"{lease.route} has no lease any more: {lease.rollout} may have ended")
        return
    if lease.token < present.token:
        raise StaleTokenError(
            f"{lease.route}: token {lease.token} is older than {present.token} of {present.holder}, who drives it now"
        )
    if present.surrendered and lease.rollout == present.rollout:
        why = present.surrendered
        raise StaleTokenError(f"{lease.route} was brought home by {why.actor}: {why.reason}")


LOCK_SECONDS = 3.0
"""A process that was stopped while it wrote must not stop the guard as well."""
SURRENDER_SECONDS = 1.0
"""Nor keep traffic from home for longer: the mark comes first."""


class MemoryLeases:
    """Leases of this process."""

    def __init__(self) -> None:
        """Begin with none."""
        self.all: dict[str, Lease] = {}

    def hold(self, lease: Lease) -> None:
        """Keep `lease` as that of its route."""
        self._keep(lease, renewed=False)

    def renew(self, lease: Lease) -> None:
        """Keep it in the place of another."""
        self._keep(lease, renewed=True)

    def held(self) -> Mapping[str, Lease]:
        """Return every lease by its route."""
        return dict(self.all)

    def surrender(self, route: str, why: Surrender) -> Lease | None:
        """Mark the lease of `route`."""
        with self._changing(SURRENDER_SECONDS) as held:
            if route in held and held[route].surrendered is None:
                held[route] = held[route].model_copy(update={"surrendered": why})
            return held.get(route)

    def release(self, route: str, token: int) -> None:
        """Drop the lease of `route`."""
        with self._changing() as held:
            if route in held and held[route].token <= token:
                del held[route]

    def _keep(self, lease: Lease, *, renewed: bool) -> None:
        with self._changing() as held:
            refuse_lease(lease, held.get(lease.route), renewed=renewed)
            held[lease.route] = lease

    @contextmanager
    def _changing(self, seconds: float = LOCK_SECONDS) -> Iterator[dict[str, Lease]]:
        """Give all leases, to be changed; whoever else changes them is waited for at most `seconds`."""
        del seconds
        yield self.all


class _Held(RootModel[dict[str, Lease]]):
    pass


class _Told(RootModel[dict[str, Any]]):
    pass


def _readable(route: str, told: object) -> Lease | None:
    try:
        return Lease.model_validate(told)
    except ValidationError as error:
        log.error("the lease of %s cannot be read: %s", route, error)
        return None


class LeaseFile(MemoryLeases):
    """Leases in one file, shared by all processes that name it."""

    def __init__(self, file: Path) -> None:
        """Go on with what is in `file`, or begin with nothing."""
        self._file = file

    def held(self) -> Mapping[str, Lease]:
        """Return every lease by its route; one that cannot be read is none, and hides no others."""
        if not self._file.exists():
            return {}
        try:
            told = _Told.model_validate_json(self._file.read_bytes()).root
        except ValidationError as error:
            raise BackendUnavailableError(
                f"{self._file} holds no leases: {error}; with no rollout open it may be removed"
            ) from error
        return {route: lease for route, one in told.items() if (lease := _readable(route, one)) is not None}

    @contextmanager
    def _changing(self, seconds: float = LOCK_SECONDS) -> Iterator[dict[str, Lease]]:
        with locked(self._file.with_suffix(".lock"), seconds):
            before = self.held()
            held = dict(before)
            yield held
            if held != before:
                replace(self._file, _Held(held).model_dump_json())
