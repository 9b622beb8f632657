"""Find what is open and bring it home."""

import logging

from firstflight.acts.ledger_view import current, of_run
from firstflight.acts.roll_back import bring_home
from firstflight.errors import Outage, RolloutError, StoreUnavailableError
from firstflight.rollout import Rollout
from firstflight.serving.going_home import Proof, bring_traffic_home
from firstflight.traffic import TrafficSplit
from firstflight.values import Value
from firstflight.world import World

log = logging.getLogger(__name__)


class Homecoming(Value):
    """What was, how it was brought home and verified, and what the ledger knows: `rollout`, or why it does not."""

    was: TrafficSplit
    proof: Proof
    rollout: Rollout | None
    ledger: str


def bring_model_home(world: World, model: str, *, actor: str, reason: str) -> Homecoming:
    """Send all of `model` to its stable version, prove it, and then end its rollout in the ledger, if one is open.

    Needs the backend alone: when the ledger does not answer, the lease carries the reason until the guard finds it
    answering. Raises RolloutError when the router does not know the model.
    """
    backend = world.backend
    if (was := backend.get_traffic(model)) is None:
        raise RolloutError(f"the router has no route {model}; served now: {', '.join(sorted(backend.served()))}")
    candidates = tuple(name for name in was.weights if name != was.stable)
    proof = bring_traffic_home(backend, model, candidates, lambda: backend.go_home(model), world.wait)
    try:
        world.leases.surrender(model, reason)
    except (Outage, OSError) as error:  # the fence keeps its driver out all the same
        log.warning("%s: the lease could not be marked: %s", model, error)
    try:
        rollout = current(world.ledger, model)
        if rollout is None:
            return Homecoming(was=was, proof=proof, rollout=None, ledger="knows no rollout of this model")
        if not rollout.final:
            rollout = bring_home(world, rollout, actor=actor, reason=reason, trigger="person")
        return Homecoming(was=was, proof=proof, rollout=rollout, ledger=f"rollout {rollout.id} is {rollout.phase}")
    except StoreUnavailableError as error:
        told = f"does not answer ({error}); the guard will tell it"
        return Homecoming(was=was, proof=proof, rollout=None, ledger=told)


def bring_run_home(world: World, run: str, *, actor: str, reason: str) -> tuple[Rollout, ...]:
    """End every open rollout that flow run `run` drives, and return them.

    One that `run` started and another run has picked up since is that other run's.
    """
    left = [rollout for rollout in of_run(world.ledger, run) if not rollout.final and rollout.driver == run]
    return tuple(bring_home(world, rollout, actor=actor, reason=reason, trigger="run ended") for rollout in left)
