"""Make the candidate the stable model."""

from firstflight.acts.agreement import disagreement
from firstflight.acts.champion import name_champion
from firstflight.acts.freeze import wait_for_thaw
from firstflight.acts.lease import release_lease, renew_lease
from firstflight.acts.ledger_view import append
from firstflight.acts.observe import canary_plan, peek, recall
from firstflight.acts.roll_back import intend_roll_back
from firstflight.acts.undeploy import clear
from firstflight.decision.verdicts import Verdict
from firstflight.domain.errors import RolloutError
from firstflight.domain.traffic import TrafficSplit
from firstflight.rollout.machine import Phase, Rollout
from firstflight.world import World


def promote(world: World, rollout: Rollout) -> Rollout:
    """Name the candidate champion and begin the bake, once no freeze holds. Safe to repeat.

    The split still names the model before as the one to fall back to: it stays loaded and warm, and whoever sends
    traffic home sends it there.
    """
    if rollout.phase is not Phase.PROMOTING:
        if (frozen := wait_for_thaw(world, rollout)) is not None:
            return intend_roll_back(world, rollout, (frozen,), trigger="freeze")
        if (reason := disagreement(world, rollout)) is not None:
            return intend_roll_back(world, rollout, (f"before the promotion: {reason}",), trigger="disagreement")
        rollout = append(world.ledger, rollout, "promotion.intended", {"candidate": rollout.candidate.served_name})
    renew_lease(world, rollout)
    split = TrafficSplit.canary(rollout.arms.stable.served_name, rollout.candidate.served_name, 100)
    world.backend.set_traffic(rollout.model, split, rollout.token)
    name_champion(world, rollout.candidate, before=rollout.arms.stable)
    body = {
        "champion": rollout.candidate.model_dump(mode="json"),
        "before": rollout.arms.stable.model_dump(mode="json"),
    }
    return append(world.ledger, rollout, "bake.started", body)


def order_promotion(world: World, rollout: Rollout, *, approver: str, comment: str) -> Rollout:
    """Write down that a person wants the candidate promoted at once, because the stable model fails; its driver acts.

    The candidate's own limits alone decide: nothing is worse than a model that does not answer.

    Raises:
        RolloutError: The rollout is not in a stage, stable is not failing, or the candidate breaks a limit of its own.
    """
    if rollout.phase is not Phase.OBSERVING:
        raise RolloutError(
            f"{rollout.id} is {rollout.phase}; only a candidate that is in a stage can be promoted at once"
        )
    plan = canary_plan(rollout)
    _, _, decision = peek(world, rollout, plan, recall(world, rollout, plan))
    if decision.verdict is not Verdict.HOLD or decision.broken:
        why = "; ".join(decision.reasons)
        wanted = "a stable model that fails and a candidate that keeps its own limits"
        raise RolloutError(f"{rollout.id} cannot be promoted at once: that needs {wanted}, but {why}")
    body = {"approver": approver, "comment": comment, "reasons": list(decision.reasons)}
    return append(world.ledger, rollout, "promotion.ordered", body, actor=approver)


def finish(world: World, rollout: Rollout, reasons: tuple[str, ...]) -> Rollout:
    """End the rollout with the candidate as the stable model; older versions than the one before are served no more."""
    renew_lease(world, rollout)
    split = TrafficSplit.all_to(rollout.candidate.served_name)
    reported = world.backend.set_traffic(rollout.model, split, rollout.token)
    body = {"split": reported.model_dump(mode="json"), "reasons": list(reasons)}
    rollout = append(world.ledger, rollout, "rollout.promoted", body)
    release_lease(world, rollout)
    clear(world, rollout)
    return rollout


def conclude(world: World, rollout: Rollout) -> Rollout:
    """End an A/B test: everything back to its control."""
    reported = world.backend.set_traffic(rollout.model, rollout.home, rollout.token)
    rollout = append(world.ledger, rollout, "rollout.compared", {"split": reported.model_dump(mode="json")})
    release_lease(world, rollout)
    return rollout
