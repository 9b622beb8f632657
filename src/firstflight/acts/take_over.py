"""Become the driver of a rollout."""

from firstflight.acts.ledger_view import append
from firstflight.rollout.machine import Rollout
from firstflight.serving.lease import Surrender
from firstflight.world import World


def take_over(world: World, rollout: Rollout, *, actor: str) -> Rollout:
    """Write down that `actor` drives now: the record's number is the new fencing token, older drivers are refused."""
    return append(world.ledger, rollout, "driver.attached", {"before": rollout.driver}, actor=actor)


def surrendered(world: World, rollout: Rollout) -> Surrender | None:
    """Return who wants this rollout's model home over its driver's head, when somebody does."""
    lease = world.leases.held().get(rollout.model)
    return lease.surrendered if lease and lease.rollout == rollout.id else None
