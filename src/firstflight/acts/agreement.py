"""Plan, registry and router agree on who is stable, or no traffic is raised: a plan's word alone is not reality."""

from firstflight.acts.champion import settle_champion
from firstflight.acts.ledger_view import history
from firstflight.domain.errors import ModelNotFoundError, RolloutError
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.versions import ModelVersion
from firstflight.rollout.machine import Arms, Rollout
from firstflight.world import World


def refuse_disagreement(world: World, model: str, arms: Arms) -> None:
    """Raise RolloutError unless the registry's champion and whoever has all of the traffic are the plan's stable model.

    Whoever began otherwise would divide the traffic between two others, and make his stable model the way home.
    """
    reported = world.backend.get_traffic(model)
    if _champion(world, model) == arms.stable and reported is not None and _serves_alone(arms.stable, reported):
        return
    raise RolloutError(
        f"no rollout of {model} may begin: {_three(world, arms.stable, reported, model)}; they must be one. "
        f"Name the version that serves as stable (an A/B test's control) in the plan, or none; where the router sends "
        f"to a candidate, `firstflight roll-back {model}`; where the registry is wrong, have its alias champion name "
        "the version that serves"
    )


def disagreement(world: World, rollout: Rollout) -> str | None:
    """Return why the weight of an open rollout may not be raised: they do not agree any more; None when they do.

    Raises RegistryUnavailableError and BackendUnavailableError: what nobody can ask nobody knows.
    """
    model, stable = rollout.model, rollout.arms.stable
    if _champion(world, model) != stable:  # moved by a driver that was late, perhaps
        settle_champion(world, [one for one in history(world.ledger, model) if one.final])
    reported = world.backend.get_traffic(model)
    agree = _champion(world, model) == stable and reported is not None and reported.stable == stable.served_name
    # what it has divided itself is compared with its records elsewhere
    if agree and reported is not None and (rollout.stage is not None or _serves_alone(stable, reported)):
        return None
    return _three(world, stable, reported, model)


def _champion(world: World, model: str) -> ModelVersion | None:
    try:
        return world.registry.get(model, "champion")
    except ModelNotFoundError:
        return None


def _serves_alone(stable: ModelVersion, reported: TrafficSplit) -> bool:
    return reported.stable == stable.served_name and reported.percent(stable.served_name) == 100  # noqa: PLR2004 - all of it, in percent


def _three(world: World, stable: ModelVersion, reported: TrafficSplit | None, model: str) -> str:
    champion = _champion(world, model)
    return (
        f"the plan says {stable.served_name} is stable, the registry's champion is "
        f"{champion.served_name if champion else 'nobody'}, the router reports {_who(reported)}"
    )


def _who(reported: TrafficSplit | None) -> str:
    return f"{reported}, with {reported.stable} to fall back to" if reported else "no such route"
