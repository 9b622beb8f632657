"""The lease of a rollout: its driver's word that somebody looks after the traffic, kept beside the router.

A lease is renewed while its driver makes progress. Who watches measures with a clock of his own how long ago the
lease last changed, as leaders are elected in Kubernetes
(https://kubernetes.io/docs/concepts/architecture/leases/), so no two clocks need agree.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import AwareDatetime, BeforeValidator, Field, RootModel

from firstflight.domain.errors import StaleTokenError
from firstflight.domain.values import Value
from firstflight.supervision.files import locked, replace


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

    def held(self) -> Mapping[str, Lease]:
        """Return every lease by its route."""

    def surrender(self, route: str, why: Surrender) -> Lease | None:
        """Mark the lease of `route`, and return it: its rollout can no longer renew it. The first one's word stays.

        No lease is no error.
        """

    def release(self, route: str, token: int) -> None:
        """Drop the lease of `route` unless a newer driver than `token` holds it; no lease is no error."""


def refuse_renewal(lease: Lease, present: Lease | None) -> None:
    """Raise StaleTokenError when `present` does not allow `lease` in its place."""
    if present is None:
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


class _Held(RootModel[dict[str, Lease]]):
    pass


class LeaseFile:
    """Leases in one file, shared by all processes that name it."""

    def __init__(self, file: Path) -> None:
        """Go on with what is in `file`, or begin with nothing."""
        self._file = file

    def hold(self, lease: Lease) -> None:
        """Keep `lease` as that of its route."""
        with self._alone():
            held = dict(self.held())
            refuse_renewal(lease, held.get(lease.route))
            self._write({**held, lease.route: lease})

    def held(self) -> Mapping[str, Lease]:
        """Return every lease by its route."""
        return _Held.model_validate_json(self._file.read_bytes()).root if self._file.exists() else {}

    def surrender(self, route: str, why: Surrender) -> Lease | None:
        """Mark the lease of `route`."""
        with self._alone(SURRENDER_SECONDS):
            held = dict(self.held())
            if route in held and held[route].surrendered is None:
                held[route] = held[route].model_copy(update={"surrendered": why})
                self._write(held)
            return held.get(route)

    def release(self, route: str, token: int) -> None:
        """Drop the lease of `route`."""
        with self._alone():
            held = dict(self.held())
            if route in held and held[route].token <= token:
                del held[route]
                self._write(held)

    def _alone(self, seconds: float = LOCK_SECONDS) -> AbstractContextManager[None]:
        return locked(self._file.with_suffix(".lock"), seconds)

    def _write(self, held: Mapping[str, Lease]) -> None:
        replace(self._file, _Held(dict(held)).model_dump_json())
