"""Hold a rollout whose run a person has suspended: it stays where it is, watched, until they have the run go on."""

import logging
from datetime import datetime

from firstflight.acts.drive import Alone, follow_decision
from firstflight.acts.lease import DRIVEN, renew_lease
from firstflight.acts.ledger_view import append, checks, reread
from firstflight.acts.roll_back import roll_back
from firstflight.domain.errors import FirstflightError
from firstflight.domain.plans import CanaryPlan
from firstflight.rollout.machine import Phase, Rollout
from firstflight.world import World

log = logging.getLogger(__name__)

HELD = DRIVEN - {Phase.ENTERING, Phase.PROMOTING}
"""Phases to stay in: a change that is half done is nothing to wait in, and nobody judges it."""


def hold(world: World, rollout: Rollout, until: datetime | None) -> None:
    """Leave the canary `rollout` where it stands: the lease lasts `until` its run is resumed at the latest.

    And for the plan's `approval_seconds` at most, the longest anybody may keep it waiting. What its last check decided
    is done first, for a process that is to end must not forget it: a stage that passed is written down, harm goes home.
    The guard keeps watch meanwhile. What somebody else drives, waits for an answer or goes home is left as it is; so is
    what is half done, what cannot be written now, and an A/B test: nobody renews their lease, and the guard brings them
    home.
    """
    try:
        told = reread(world.ledger, rollout)
        plan = told.plan
        if told.token != rollout.token or told.phase not in HELD or not isinstance(plan, CanaryPlan):
            return
        told = _decided(world, told)
        if told.phase is Phase.ROLLING_BACK:
            roll_back(world, told)
            return
        given = (until - world.now()).total_seconds() if until else plan.approval_seconds
        seconds = max(0.0, min(given, plan.approval_seconds))
        renew_lease(world, told, extra=seconds)
        append(world.ledger, told, "rollout.held", {"stage": told.stage, "seconds": seconds})
    except (FirstflightError, OSError) as error:
        log.warning("%s: could not be held: %s", rollout.id, error)


def _decided(world: World, rollout: Rollout) -> Rollout:
    made = checks(world.ledger, rollout) if rollout.phase is Phase.OBSERVING else ()
    if not made or made[-1][0].stage != rollout.stage or not made[-1][1].verdict.decides:
        return rollout
    return follow_decision(rollout, made[-1][1], Alone(world))
