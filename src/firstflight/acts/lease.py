"""Hold the lease of a rollout: whoever drives it says so again and again, or the guard brings traffic home."""

import logging

from firstflight.acts.ledger_view import reread
from firstflight.domain.errors import FirstflightError, HeadMovedError
from firstflight.rollout.machine import Rollout
from firstflight.serving.lease import Lease, Surrender
from firstflight.world import World

log = logging.getLogger(__name__)

RENEWALS = 9
"""How often a lease is renewed within the time it lasts, while its driver waits."""
DELAYS = (1.0, 2.0, 4.0, 8.0, *(15.0,) * 8)
"""Seconds before what met an outage is tried again, over two minutes in all; each try renews the lease, so the longest
stays well below the lease's 30 s."""


def renew_lease(world: World, rollout: Rollout, extra: float = 0.0) -> None:
    """Renew the lease of `rollout` for `world.lease_seconds`, and `extra` ones while no process can renew it.

    Raises StaleTokenError when a newer driver holds it, or the guard has brought the model home.
    """
    world.leases.hold(
        Lease(
            route=rollout.model,
            rollout=rollout.id,
            holder=rollout.driver,
            candidates=tuple(version.served_name for version in rollout.arms.candidates),
            token=rollout.token,
            seconds=world.lease_seconds + extra,
            renewed_at=world.now(),
        )
    )


def wait_holding(world: World, rollout: Rollout, seconds: float) -> None:
    """Let `seconds` pass, and renew the lease meanwhile: one that hangs elsewhere loses it.

    Raises HeadMovedError when somebody else moved the rollout: read it again before acting.
    """
    step = world.lease_seconds / RENEWALS
    renew_lease(world, rollout)
    while seconds > 0:
        world.wait(min(step, seconds))
        seconds -= step
        renew_lease(world, rollout)
    if (told := reread(world.ledger, rollout)).head != rollout.head:
        raise HeadMovedError(f"{rollout.id} was moved to {told.phase!r} by {told.driver}")


def surrender_lease(world: World, model: str, why: Surrender) -> Lease | None:
    """Say on the lease that `model` goes home, and return it: its first mark stays.

    Its driver cannot renew it, and the guard finishes what others began. Where the lease cannot be written the fence
    and the ledger have to do: nothing may keep traffic away from home.
    """
    try:
        return world.leases.surrender(model, why)
    except (FirstflightError, OSError) as error:
        log.warning("%s: the lease could not be marked: %s", model, error)
        return None


def release_lease(world: World, rollout: Rollout) -> None:
    """Drop the lease of a rollout that has ended; one that cannot be dropped now is dropped by the guard."""
    try:
        world.leases.release(rollout.model, rollout.token)
    except (FirstflightError, OSError) as error:
        log.warning("%s: the lease could not be dropped: %s", rollout.model, error)
