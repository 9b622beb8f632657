"""Tell of rollouts whose end nobody was told: who ended them may have died before, or had no way to."""

from collections.abc import Callable
from datetime import timedelta

from firstflight.acts import notices
from firstflight.acts.harm import harm_of
from firstflight.acts.ledger_view import current
from firstflight.acts.tell import tell
from firstflight.rollout.machine import Phase, Rollout
from firstflight.world import World

NEWS = timedelta(hours=1)
"""What ended longer ago is history, and no reason to page anybody."""


def tell_ends(world: World, link: Callable[[str], str]) -> tuple[Rollout, ...]:
    """Tell of each model's last rollout, when it was rolled back lately and nobody has said so; return those.

    `link` is where people find a run.
    """
    models = [name.removeprefix("rollout/") for name in world.ledger.streams("rollout/")]
    found = [rollout for model in models if (rollout := current(world.ledger, model)) is not None]
    return tuple(
        rollout
        for rollout in found
        if rollout.phase is Phase.ROLLED_BACK
        and rollout.ended_at is not None
        and world.now() - rollout.ended_at < NEWS
        and tell(world, rollout, "ended", notices.ended(rollout, harm_of(world, rollout), link(rollout.run)))
    )
