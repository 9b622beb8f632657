"""Make the candidate the stable model."""

from firstflight.acts.ledger_view import append
from firstflight.rollout import Phase, Rollout
from firstflight.traffic import TrafficSplit
from firstflight.world import World


def promote(world: World, rollout: Rollout) -> Rollout:
    """Send everything to the candidate as the new stable model, move the alias, end the rollout.

    The previous stable model stays loaded, so that going back needs no start. Safe to repeat.
    """
    if rollout.phase is not Phase.PROMOTING:
        rollout = append(world.ledger, rollout, "promotion.intended", {"candidate": rollout.candidate.served_name})
    split = TrafficSplit.all_to(rollout.candidate.served_name)
    reported = world.backend.set_traffic(rollout.model, split, rollout.token)
    world.registry.set_alias(rollout.candidate, "champion")
    body = {
        "split": reported.model_dump(mode="json"),
        "champion": rollout.candidate.model_dump(mode="json"),
        "before": rollout.arms.stable.model_dump(mode="json"),
    }
    return append(world.ledger, rollout, "rollout.promoted", body)


def conclude(world: World, rollout: Rollout) -> Rollout:
    """End an A/B test: everything back to its control."""
    reported = world.backend.set_traffic(rollout.model, rollout.home, rollout.token)
    return append(world.ledger, rollout, "rollout.compared", {"split": reported.model_dump(mode="json")})
