"""Hold the lease of a rollout: whoever drives it says so again and again, or the guard brings traffic home."""

import logging

from firstflight.acts.ledger_view import append, reread
from firstflight.domain.errors import FirstflightError, HeadMovedError
from firstflight.rollout.machine import Phase, Rollout
from firstflight.serving.lease import Lease, Surrender
from firstflight.world import World

log = logging.getLogger(__name__)

RENEWALS = 9
"""How often a lease is renewed within the time it lasts, while its driver waits."""
DELAYS = (1.0, 2.0, 4.0, 8.0, *(15.0,) * 8)
"""Seconds before what met an outage is tried again, over two minutes in all; each try renews the lease, so the longest
stays well below the lease's 30 s."""


HAND_OVER_SECONDS = 120.0
"""For how much longer a lease lasts whose driver was told to end: a new pod is placed, pulls its image and begins."""
DRIVEN = frozenset({Phase.STARTED, Phase.ENTERING, Phase.OBSERVING, Phase.PASSED, Phase.PROMOTING, Phase.BAKING})
"""Phases in which a process is wanted, and home is not due."""


def take_lease(world: World, rollout: Rollout) -> None:
    """Hold the lease of `rollout` from now on: for who has just read in the ledger that he drives it.

    Raises StaleTokenError when a newer driver holds it, or the guard has brought the model home.
    """
    world.leases.hold(_lease(world, rollout))


def renew_lease(world: World, rollout: Rollout, extra: float = 0.0) -> None:
    """Renew the lease of `rollout` for `world.lease_seconds`, and `extra` ones while no process can renew it.

    Raises StaleTokenError as `take_lease` does, and when there is none: a driver who was frozen and thaws must not
    hold what has ended.
    """
    world.leases.renew(_lease(world, rollout, extra))


def hand_over(world: World, rollout: Rollout) -> None:
    """Leave `rollout` to the process that goes on with it: the lease lasts longer, by so much and on record.

    The guard keeps watch meanwhile. What somebody else has moved, has ended, goes home or waits for a person is left as
    it is, and so is what cannot be written now: this process has seconds to live.
    """
    try:
        told = reread(world.ledger, rollout)
        if told.token == rollout.token and told.phase in DRIVEN:
            renew_lease(world, told, HAND_OVER_SECONDS)
            append(world.ledger, told, "driver.detached", {"seconds": world.lease_seconds + HAND_OVER_SECONDS})
    except (FirstflightError, OSError) as error:
        log.warning("%s: could not be handed over: %s", rollout.id, error)


def _lease(world: World, rollout: Rollout, extra: float = 0.0) -> Lease:
    return Lease(
        route=rollout.model,
        rollout=rollout.id,
        holder=rollout.driver,
        candidates=tuple(version.served_name for version in rollout.arms.candidates),
        token=rollout.token,
        seconds=world.lease_seconds + extra,
        renewed_at=world.now(),
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
