"""Bring traffic home: the stable model first, verified; then the records; then people."""

import logging
from typing import Any

from firstflight.acts.ledger_view import append, reread
from firstflight.acts.start import attach
from firstflight.errors import HeadMovedError, RegistryUnavailableError
from firstflight.rollout import Phase, Rollout
from firstflight.world import World

log = logging.getLogger(__name__)


def intend_roll_back(world: World, rollout: Rollout, reasons: tuple[str, ...], *, trigger: str) -> Rollout:
    """Write down that traffic is to go back, and why; `trigger` is one word for what asked for it."""
    return append(world.ledger, rollout, "rollback.intended", {"trigger": trigger, "reasons": list(reasons)})


def roll_back(world: World, rollout: Rollout) -> Rollout:
    """Send everything to the stable model, check that the router reports it, and end the rollout.

    Traffic moves before anything else is attempted, so a ledger that does not answer cannot hold
    it up. Running it twice does no harm.
    """
    reported = world.backend.set_traffic(rollout.model, rollout.home, rollout.token)
    log.warning("%s: traffic is back, the router reports %s", rollout.model, reported)
    body: dict[str, Any] = {
        "split": reported.model_dump(mode="json"),
        "reasons": list(rollout.reasons),
        "stage": rollout.stage,
    }
    if rollout.promotion_begun:
        body["champion"] = _restore_champion(world, rollout)
    return append(world.ledger, rollout, "rollout.rolled_back", body)


def bring_home(world: World, rollout: Rollout, *, actor: str, reason: str, trigger: str) -> Rollout:
    """End `rollout` at the stable model whoever drives it, and return it as it ended.

    The newest token is taken first, so the driver that is replaced can no longer move traffic.
    """
    while not rollout.final:
        try:
            rollout = attach(world, rollout, actor=actor)
            if rollout.phase is not Phase.ROLLING_BACK:
                rollout = intend_roll_back(world, rollout, (reason,), trigger=trigger)
            rollout = roll_back(world, rollout)
        except HeadMovedError:
            rollout = reread(world.ledger, rollout)
    return rollout


def _restore_champion(world: World, rollout: Rollout) -> str:
    try:
        world.registry.set_alias(rollout.arms.stable, "champion")
    except RegistryUnavailableError as error:
        log.error("%s: traffic is home, but the alias `champion` could not be restored: %s", rollout.model, error)  # noqa: TRY400 - the message is the whole story
        return f"not restored: {error}"
    return f"version {rollout.arms.stable.number}"
