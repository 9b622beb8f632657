"""Begin and lift freezes, and wait for one to be lifted."""

from firstflight.acts.lease import wait_holding
from firstflight.domain.errors import RolloutError
from firstflight.domain.plans import CanaryPlan
from firstflight.ledger.record import RecordStore
from firstflight.rollout.freeze import BEGUN, LIFTED, STREAM, Freeze, freezes, frozen
from firstflight.rollout.machine import Rollout
from firstflight.world import World


def begin_freeze(ledger: RecordStore, freeze: Freeze) -> None:
    """Write down that no rollout may begin or raise traffic in that time."""
    ledger.append(STREAM, BEGUN, freeze.model_dump(mode="json"), actor=freeze.by)


def lift_freezes(ledger: RecordStore, *, by: str, reason: str) -> tuple[Freeze, ...]:
    """Lift every freeze, future ones included, and return those that were lifted."""
    standing = freezes(ledger.read(STREAM))
    if standing:
        ledger.append(STREAM, LIFTED, {"by": by, "reason": reason}, actor=by)
    return standing


def refuse_frozen(world: World, model: str) -> None:
    """Raise RolloutError when no rollout of `model` may begin now."""
    if (freeze := frozen(world.ledger.read(STREAM), world.ledger.now())) is not None:
        raise RolloutError(f"no rollout of {model} may begin: {freeze}. `firstflight thaw` lifts it")


def wait_for_thaw(world: World, rollout: Rollout) -> str | None:
    """Stay where the rollout is while a freeze holds; None when it may go on.

    The guard goes on judging it meanwhile. After `approval_seconds`, the longest anybody may keep it waiting, the
    reason to roll back is returned. Raises HeadMovedError when somebody else moved it.
    """
    plan = rollout.plan
    if not isinstance(plan, CanaryPlan):
        return None
    begun = world.monotonic()
    while (freeze := frozen(world.ledger.read(STREAM), world.ledger.now())) is not None:
        if world.monotonic() - begun > plan.approval_seconds:
            return f"waited {plan.approval_seconds:,.0f} s to raise traffic, at most that is allowed; {freeze}"
        wait_holding(world, rollout, plan.check_seconds)
    return None
