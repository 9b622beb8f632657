"""What people are told while the ledger cannot: whoever is in a hurry imports no more than this."""

import logging

from firstflight.domain.errors import NotificationFailedError
from firstflight.notify.messages import Message
from firstflight.world import World

log = logging.getLogger(__name__)


def guarded(route: str, rollout: str, candidates: tuple[str, ...], reason: str, proof: str) -> Message:
    """The guard has brought traffic home and cannot reach the ledger: the shortest way to tell people."""
    return Message(
        kind="rolled back",
        model=route,
        rollout=rollout,
        headline=f"{route}: {', '.join(candidates)} rolled back by the guard",
        facts=(("Verified", proof), ("Ledger", "not told yet, it does not answer"), ("Rollout", rollout)),
        reasons=(reason,),
    )


def unrecorded(model: str, rollout: str, candidates: tuple[str, ...], reason: str, silent: str) -> Message:
    """A run's hook has brought traffic home and the ledger does not take the end: the shortest way to tell people."""
    return Message(
        kind="rolled back",
        model=model,
        rollout=rollout,
        headline=f"{model}: {', '.join(candidates)} rolled back",
        facts=(("Ledger", f"not told yet: {silent}"), ("Rollout", rollout)),
        reasons=(reason,),
    )


def tell_unrecorded(
    world: World, model: str, rollout: str, candidates: tuple[str, ...], reason: str, silent: str
) -> None:
    """Tell that a model was brought home and the ledger does not know: the guard tells it there once it can."""
    try:
        world.notifier.send(unrecorded(model, rollout, candidates, reason, silent))
    except NotificationFailedError as error:
        log.warning("%s: nobody could be told: %s", rollout, error)
