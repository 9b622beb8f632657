"""Move traffic to a stage's split: intend, set, read back, write down."""

from firstflight.acts.ledger_view import append
from firstflight.rollout import Rollout
from firstflight.world import World


def enter_stage(world: World, rollout: Rollout, stage: int) -> Rollout:
    """Set the split of `stage` and return the rollout in it. Safe to repeat after a crash at any point.

    Raises StaleTokenError when a newer driver has taken over, ModelNotLoadedError or
    TrafficNotAppliedError when the router does not take the split (the last one stays in force).
    """
    split = rollout.split_at(stage)
    if rollout.stage != stage or rollout.phase != "entering":
        rollout = append(
            world.ledger, rollout, "stage.intended", {"stage": stage, "split": split.model_dump(mode="json")}
        )
    reported = world.backend.set_traffic(rollout.model, split, rollout.token)
    return append(world.ledger, rollout, "stage.entered", {"stage": stage, "split": reported.model_dump(mode="json")})


def pass_stage(world: World, rollout: Rollout, reasons: tuple[str, ...]) -> Rollout:
    """Write down that the stage the rollout is in is good."""
    return append(world.ledger, rollout, "stage.passed", {"stage": rollout.stage, "reasons": list(reasons)})
