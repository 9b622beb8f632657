"""Hold a rollout to the policies of its environment: when it begins, and before each stage."""

from typing import Any

from firstflight.domain.errors import RolloutError
from firstflight.domain.plans import ABTestPlan, CanaryPlan
from firstflight.rollout.machine import Arms
from firstflight.rollout.policy import Policy, environments_of
from firstflight.world import World


def policies_for(world: World, plan: CanaryPlan | ABTestPlan) -> tuple[Policy, ...]:
    """Return the policies that `plan` is held to; raises RolloutError when one cannot be read."""
    return tuple(world.policy(environment) for environment in environments_of(plan, world.environment))


def refuse_by_policy(world: World, plan: CanaryPlan | ABTestPlan, arms: Arms | None = None) -> list[dict[str, Any]]:
    """Return what the ledger keeps of the policies that allow `plan`; of its `arms` too, once they are known.

    Raises RolloutError naming each policy and all in which the plan falls short.
    """
    policies = policies_for(world, plan)
    if faults := [f"{policy}: {fault}" for policy in policies for fault in _faults(world, policy, plan, arms)]:
        raise RolloutError(
            f"no rollout of {plan.model} by this plan: {'; '.join(faults)}. Change the plan, or have the policy changed"
        )
    return [policy.identity for policy in policies]


def _faults(world: World, policy: Policy, plan: CanaryPlan | ABTestPlan, arms: Arms | None) -> list[str]:
    faults = list(policy.faults(plan))
    if policy.gate and arms is not None:
        faults += [policy.gate_fault(version, world.registry.tags(version)) for version in arms.candidates]
    return [fault for fault in faults if fault]
