"""Find what is open and bring it home."""

from firstflight.acts.ledger_view import current, of_run
from firstflight.acts.roll_back import bring_home
from firstflight.errors import RolloutError
from firstflight.rollout import Rollout
from firstflight.world import World


def bring_model_home(world: World, model: str, *, actor: str, reason: str) -> Rollout:
    """End the last rollout of `model` at its stable model; one that has ended is returned as it is.

    Raises RolloutError when the model never had a rollout.
    """
    rollout = current(world.ledger, model)
    if rollout is None:
        known = sorted(name.removeprefix("rollout/") for name in world.ledger.streams("rollout/"))
        raise RolloutError(f"{model} has no rollout to end; models with rollouts: {', '.join(known) or 'none'}")
    return bring_home(world, rollout, actor=actor, reason=reason, trigger="person")


def bring_run_home(world: World, run: str, *, actor: str, reason: str) -> tuple[Rollout, ...]:
    """End every open rollout that flow run `run` started, and return those that were open."""
    left = [rollout for rollout in of_run(world.ledger, run) if not rollout.final]
    return tuple(bring_home(world, rollout, actor=actor, reason=reason, trigger="run ended") for rollout in left)
