"""Begin a rollout, or go on with the one this run began."""

import logging
from contextlib import suppress

from firstflight.acts.agreement import refuse_disagreement
from firstflight.acts.champion import settle_champion
from firstflight.acts.freeze import refuse_frozen
from firstflight.acts.lease import take_lease
from firstflight.acts.policy import refuse_by_policy
from firstflight.acts.roll_back import bring_home, rejoin
from firstflight.acts.take_over import surrendered, take_over
from firstflight.domain.errors import (
    HeadMovedError,
    ModelNotFoundError,
    NoStableModelError,
    RolloutError,
    StaleTokenError,
)
from firstflight.domain.plans import ABTestPlan, CanaryPlan
from firstflight.domain.versions import ModelVersion
from firstflight.rollout.machine import Arms, Rollout, rollouts, stream
from firstflight.rollout.story import sentence
from firstflight.serving.backend import ServingBackend
from firstflight.workloads.find import filled
from firstflight.world import World

log = logging.getLogger(__name__)


def resume_or_start(world: World, plan: CanaryPlan | ABTestPlan, *, run: str) -> Rollout:
    """Return the rollout of this kind that `run` drives, taken over with a new token, or a new one.

    A rollout that `run` drove and that has ended is returned as it ended: a resumed run does not
    begin again. One of exactly this plan whose driver has let its lease run out is picked up where it stands.
    Raises RolloutError when another run holds the model, a freeze holds, the plan falls short of a policy, or plan,
    registry and router do not agree on who is stable.
    """
    plan = filled(plan)
    while True:
        try:
            return _resume_or_start(world, plan, run)
        except HeadMovedError:  # somebody else was faster: what to do now is another question
            continue


def _resume_or_start(world: World, plan: CanaryPlan | ABTestPlan, run: str) -> Rollout:
    records = world.ledger.read(stream(plan.model))
    told = rollouts(records)
    mine = [
        rollout for rollout in told if run in {rollout.run, rollout.driver} and isinstance(rollout.plan, type(plan))
    ]
    if mine and mine[-1].final:
        return mine[-1]
    if mine or (told and told[-1].plan == plan and _is_orphaned(world, told[-1])):
        return attach(world, told[-1], actor=run)
    if told and not told[-1].final:
        raise in_progress(told[-1])
    refuse_frozen(world, plan.model)
    refuse_by_policy(world, plan)
    settle_champion(world, told)
    arms = ab_test_arms(world, plan) if isinstance(plan, ABTestPlan) else canary_arms(world, plan)
    policies = refuse_by_policy(world, plan, arms)
    check_arms(world.backend, arms)
    refuse_disagreement(world, plan.model, arms)
    ordinal = 1 + sum(record.kind == "rollout.started" for record in records)  # those that cannot be read included
    body = {
        "rollout": f"{plan.model}-r{ordinal}",
        "activity": "ab_test" if isinstance(plan, ABTestPlan) else "canary",
        "run": run,
        "plan": plan.model_dump(mode="json"),
        "arms": arms.model_dump(mode="json"),
        "policies": policies,
        "attempt": 1 + sum(isinstance(one.plan, type(plan)) and one.arms.candidates == arms.candidates for one in told),
    }
    head = records[-1].number if records else 0
    record = world.ledger.append(stream(plan.model), "rollout.started", body, actor=run, expect=head)
    log.info("%s", sentence(record))
    rollout = Rollout.started(record)
    take_lease(world, rollout)
    return rollout


def attach(world: World, rollout: Rollout, *, actor: str) -> Rollout:
    """Take `rollout` over to drive it on; one that somebody wants home is ended here, and returned so."""
    if (why := surrendered(world, rollout)) is not None:
        return bring_home(world, rollout, why)
    taken = take_over(world, rollout, actor=actor)
    try:
        take_lease(world, taken)
    except StaleTokenError:  # somebody has just said so
        return rejoin(world, taken)
    return taken


def _is_orphaned(world: World, rollout: Rollout) -> bool:
    """Whether an open rollout's driver has let its lease run out, and the guard has not been there either."""
    lease = world.leases.held().get(rollout.model)
    if rollout.final or lease is None or lease.surrendered:
        return False
    if (world.now() - lease.renewed_at).total_seconds() <= lease.seconds:
        return False
    world.wait(world.lease_seconds / 3)  # a driver who lives renews it meanwhile, whatever clocks on the wall say
    return world.leases.held().get(rollout.model) == lease


def in_progress(rollout: Rollout) -> RolloutError:
    """The error that says which rollout holds the model, and how to end it."""
    return RolloutError(
        f"{rollout.model} already has rollout {rollout.id} ({rollout.phase}, flow run {rollout.run}, "
        f"since {rollout.started_at:%Y-%m-%d %H:%M} UTC); one at a time. Let it end, or end it with "
        f"`firstflight roll-back {rollout.model}`"
    )


def check_arms(backend: ServingBackend, arms: Arms) -> None:
    """Refuse a rollout whose models are not being served, or that would try the stable model against itself."""
    stable = arms.stable.served_name
    if any(candidate.served_name == stable for candidate in arms.candidates):
        raise RolloutError(f"{stable} is stable already; a rollout needs another version as candidate")
    wanted = {*arms.names, *([arms.shadow_name] if arms.shadow_name else [])}
    if missing := sorted(name for name in wanted if not backend.is_ready(name)):
        raise RolloutError(
            f"{', '.join(missing)} not ready to serve; served now: {', '.join(sorted(backend.served())) or 'nothing'}. "
            "Run the deploy flow first"
        )


def canary_arms(world: World, plan: CanaryPlan) -> Arms:
    """Look up the plan's stable model and candidate in the registry.

    Raises NoStableModelError when the plan names no stable version and there is no champion,
    ModelNotFoundError when a version does not exist, RolloutError when the challenger was broken on purpose.
    """
    stable = world.registry.get(plan.model, plan.stable) if plan.stable else champion(world, plan.model)
    candidate = world.registry.get(plan.model, plan.candidate or "challenger")
    if not plan.candidate and not _is_sound(world, candidate):
        raise RolloutError(
            f"the challenger {candidate} has a fault or was refused; name it as candidate if you mean it"
        )
    return Arms(stable=stable, candidates=(candidate,))


def ab_test_arms(world: World, plan: ABTestPlan) -> Arms:
    """Look up the versions of the plan's arms: those it names, else the newest sound one of each variant.

    The control is the version the plan names, else the champion, else the newest of its variant. A variant whose
    newest is the control itself, as after its promotion, has nothing to be compared with: its share is the control's.

    Raises ModelNotFoundError when a version does not exist, RolloutError when nothing is left to compare.
    """
    control = _version_of(world, plan, plan.control)
    others = {name: _version_of(world, plan, name) for name in plan.weights if name != plan.control}
    tried = {name: version for name, version in others.items() if version != control or name in plan.versions}
    if not tried:
        raise RolloutError(f"{control} is the newest of {', '.join(others)} as well; train another, or name versions")
    weights = {version.served_name: plan.weights[name] for name, version in tried.items()}
    shadow = _version_of(world, plan, plan.shadow) if plan.shadow else None
    if shadow == control:
        shadow = None
    return Arms(
        stable=control,
        candidates=tuple(tried.values()),
        shadow=shadow,
        shadow_name=shadow_name(shadow) if shadow else None,
        weights={**weights, control.served_name: 100 - sum(weights.values())},
    )


def shadow_name(version: ModelVersion) -> str:
    """Name under which `version` is served once more, as a shadow."""
    return f"shadow-predictor-v{version.number}"


def _version_of(world: World, plan: ABTestPlan, variant: str) -> ModelVersion:
    if (number := plan.versions.get(variant)) is not None:
        return world.registry.get(plan.model, number)
    if variant == plan.control:
        with suppress(ModelNotFoundError):
            return world.registry.get(plan.model, "champion")
    known = world.registry.versions(plan.model)
    of_variant = [version for version in reversed(known) if version.variant == variant]
    if (found := next((version for version in of_variant if _is_sound(world, version)), None)) is None:
        raise ModelNotFoundError(
            f"{plan.model} has no sound version of variant {variant!r} to take by itself; registered: "
            f"{', '.join(map(str, known)) or 'nothing'}; name one in `versions`"
        )
    return found


def _is_sound(world: World, version: ModelVersion) -> bool:
    """Whether nobody broke the version on purpose, nor did the offline gate refuse it: only such are defaults."""
    tags = world.registry.tags(version)
    return "fault" not in tags and tags.get("gate") != "refused"


def champion(world: World, model: str) -> ModelVersion:
    """Return the version that serves `model` now by the registry's word."""
    try:
        return world.registry.get(model, "champion")
    except ModelNotFoundError as error:
        raise NoStableModelError(
            f"{model} has no champion, so there is nothing to compare with or to fall back to; name `stable` in "
            f"the plan, or run a release, which makes a first champion ({error})"
        ) from error
