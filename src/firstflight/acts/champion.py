"""Keep the registry's aliases `champion` and `challenger` true to how the last rollout ended."""

from collections.abc import Sequence

from firstflight.acts.ledger_view import history, models
from firstflight.domain.errors import ModelNotFoundError
from firstflight.domain.versions import ModelVersion
from firstflight.rollout.machine import Phase, Rollout
from firstflight.world import World


def settle_champion(world: World, told: Sequence[Rollout]) -> bool:
    """Have `champion` name what the last of a model's rollouts left stable, when it names what went home.

    A driver that was late may have moved it after the end, or the registry did not answer at the time. `told` are
    all rollouts of the model. Returns whether it was moved. Raises RegistryUnavailableError.
    """
    last = told[-1] if told else None
    if last is None or not (last.phase is Phase.PROMOTED or (last.phase is Phase.ROLLED_BACK and last.promotion_begun)):
        return False
    wanted = last.candidate if last.phase is Phase.PROMOTED else last.arms.stable
    refused = {one.candidate for one in told if one.phase is Phase.ROLLED_BACK and one.promotion_begun} - {wanted}
    if not refused or _named(world, last.model, "champion") not in refused:
        return False
    name_champion(world, wanted, before=last.arms.stable if last.phase is Phase.PROMOTED else last.candidate)
    return True


def name_champion(world: World, version: ModelVersion, *, before: ModelVersion) -> None:
    """Have `champion` name `version`; where it was the challenger, the one before it is that now. Safe to repeat."""
    world.registry.set_alias(version, "champion")
    if _named(world, version.model, "challenger") == version:
        world.registry.set_alias(before, "challenger")


def _named(world: World, model: str, alias: str) -> ModelVersion | None:
    try:
        return world.registry.get(model, alias)
    except ModelNotFoundError:
        return None


def settle_champions(world: World) -> tuple[str, ...]:
    """Do so for every model, and return those whose alias was moved."""
    return tuple(model for model in models(world.ledger) if settle_champion(world, history(world.ledger, model)))
