"""Move traffic to a stage's split: intend, set, read back, write down."""

from firstflight.acts.agreement import disagreement
from firstflight.acts.freeze import wait_for_thaw
from firstflight.acts.lease import renew_lease
from firstflight.acts.ledger_view import append
from firstflight.acts.observe import look_again
from firstflight.acts.policy import refuse_by_policy
from firstflight.acts.roll_back import intend_roll_back
from firstflight.decision.verdicts import Verdict
from firstflight.domain.errors import ModelNotLoadedError, ModelNotReadyError, RolloutError, TrafficNotAppliedError
from firstflight.domain.traffic import TrafficSplit
from firstflight.rollout.machine import Phase, Rollout
from firstflight.world import World


def enter_stage(world: World, rollout: Rollout, stage: int) -> Rollout:
    """Set the split of `stage` and return the rollout in it. Safe to repeat after a crash at any point.

    Traffic is raised only when no freeze holds (it is waited out), its policies allow it, from where the ledger says
    traffic is, while plan, registry and router agree on who is stable, and on fresh evidence: else the rollout that is
    returned is about to roll back, with the reason.

    A split that the router does not take leads home as well: the last one stays in force meanwhile.

    Raises StaleTokenError when a newer driver has taken over.
    """
    renew_lease(world, rollout)
    if (frozen := wait_for_thaw(world, rollout)) is not None:
        return intend_roll_back(world, rollout, (frozen,), trigger="freeze")
    try:
        policies = refuse_by_policy(world, rollout.plan, rollout.arms)
    except RolloutError as error:
        return intend_roll_back(world, rollout, (f"before {stage} %: {error}",), trigger="policy")
    split = rollout.split_at(stage)
    reported = world.backend.get_traffic(rollout.model)
    expected = reported == split or _is_expected(rollout, reported)
    if differ := disagreement(world, rollout) if expected else _unexpected(rollout, reported):
        return intend_roll_back(world, rollout, (f"before {stage} %: {differ}",), trigger="disagreement")
    raised = reported == split  # by a driver that died before it could write so: there is nothing to look at between
    again = look_again(world, rollout) if rollout.passed and not raised else None
    if again is not None and again.verdict in {Verdict.ROLL_BACK, Verdict.INCONCLUSIVE}:
        return intend_roll_back(world, rollout, again.reasons, trigger=again.verdict.value)
    about = {"stage": stage, "activity": rollout.activity}
    if rollout.stage != stage or rollout.phase is not Phase.ENTERING:
        body = {**about, "split": split.model_dump(mode="json"), "policies": policies}
        rollout = append(world.ledger, rollout, "stage.intended", body)
    try:
        reported = world.backend.set_traffic(rollout.model, split, rollout.token)
    except (TrafficNotAppliedError, ModelNotReadyError, ModelNotLoadedError) as error:
        return intend_roll_back(world, rollout, (f"{stage} % cannot be set: {error}",), trigger="router")
    return append(world.ledger, rollout, "stage.entered", {**about, "split": reported.model_dump(mode="json")})


def pass_stage(world: World, rollout: Rollout, reasons: tuple[str, ...]) -> Rollout:
    """Write down that the stage the rollout is in is good."""
    renew_lease(world, rollout)
    body = {"stage": rollout.stage, "activity": rollout.activity, "reasons": list(reasons)}
    return append(world.ledger, rollout, "stage.passed", body)


def _unexpected(rollout: Rollout, reported: TrafficSplit | None) -> str:
    expected = rollout.split or f"nothing yet for {rollout.candidate.served_name}"
    return f"the router reports {reported or 'no such route'}, the ledger says {expected}"


def _is_expected(rollout: Rollout, reported: TrafficSplit | None) -> bool:
    """Whether the router reports what the ledger says; before the first stage that is nothing for a candidate."""
    if rollout.split is not None:
        return reported == rollout.split
    return reported is not None and not any(
        reported.percent(version.served_name) for version in rollout.arms.candidates
    )
