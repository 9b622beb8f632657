"""Stop serving what nothing needs any more: old versions after a promotion, or one that a person names."""

import logging
from collections.abc import Iterator

from firstflight.acts.ledger_view import history, open_rollouts
from firstflight.domain.errors import FirstflightError, ModelNotFoundError, NotFoundError, RolloutError
from firstflight.rollout.machine import Phase, Rollout
from firstflight.world import World

log = logging.getLogger(__name__)


def undeploy(world: World, name: str) -> None:
    """Stop serving `name`.

    Raises:
        NotFoundError: Nothing is served under that name; the message says what is.
        RolloutError: An open rollout counts on it.
        ServingError: A split gives it weight, or mirrors to it.
    """
    if name not in (served := world.backend.served()):
        raise NotFoundError(f"nothing is served as {name!r}; served now: {', '.join(sorted(served)) or 'nothing'}")
    for rollout in open_rollouts(world.ledger):
        if name in _names(rollout):
            raise RolloutError(f"{name} takes part in {rollout.id}, which is {rollout.phase}; let that end first")
    world.backend.undeploy(name)


def undeploy_old(world: World, model: str, keep: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Stop serving what took part in rollouts of `model` that have ended, and return those names.

    What stays: `keep`, whoever has a share of the traffic, champion and challenger, the version before the last
    promotion, which is warm, and what was deployed and never tried. One that cannot be stopped keeps no other from
    it. Raises RolloutError while a rollout is open.
    """
    told = history(world.ledger, model)
    if told and not told[-1].final:
        raise RolloutError(f"{told[-1].id} is {told[-1].phase}; old versions go once it has ended")
    tried = {name for rollout in told for name in _names(rollout)}
    gone = []
    for name in sorted((tried & world.backend.served()) - {*keep, *_kept(world, model, told)}):
        try:
            world.backend.undeploy(name)
        except (FirstflightError, OSError) as error:
            log.warning("%s: %s stays: %s", model, name, error)
        else:
            gone.append(name)
    return tuple(gone)


def clear(world: World, rollout: Rollout) -> None:
    """Stop serving what rollouts before `rollout` left behind: a server has so much room.

    Where it came home its own versions stay, to be looked at and tried again. What cannot go is no reason to fail.
    """
    try:
        if gone := undeploy_old(world, rollout.model, keep=() if rollout.phase is Phase.PROMOTED else _names(rollout)):
            log.info("%s: no longer served: %s", rollout.id, ", ".join(gone))
    except (FirstflightError, OSError) as error:
        log.warning("%s: old versions stay served: %s", rollout.id, error)


def _kept(world: World, model: str, told: tuple[Rollout, ...]) -> Iterator[str]:
    split = world.backend.get_traffic(model)
    yield from (*split.weights, split.stable, *([split.shadow] if split.shadow else [])) if split else ()
    for alias in ("champion", "challenger"):
        try:
            yield world.registry.get(model, alias).served_name
        except ModelNotFoundError:
            continue
    promoted = [rollout for rollout in told if rollout.phase is Phase.PROMOTED]
    if promoted:
        yield from (promoted[-1].candidate.served_name, promoted[-1].arms.stable.served_name)


def _names(rollout: Rollout) -> tuple[str, ...]:
    arms = rollout.arms
    return (*arms.names, *([arms.shadow_name] if arms.shadow_name else []))
