"""The same triggers by the same decision code as the driver's, on everything recorded up to now."""

import logging
from datetime import timedelta

from firstflight.acts.ledger_view import reread
from firstflight.acts.observe import Known, learn, peek, recall, record_check
from firstflight.acts.tell import tell_home_fails
from firstflight.decision.verdicts import Decision, Verdict
from firstflight.domain.errors import HeadMovedError, LedgerError, Outage
from firstflight.domain.plans import CanaryPlan
from firstflight.rollout.machine import Phase, Rollout
from firstflight.world import World

log = logging.getLogger(__name__)
WATCHED = frozenset({Phase.OBSERVING, Phase.PASSED, Phase.AWAITING_APPROVAL, Phase.BAKING})
"""Phases in which a split is in force and nobody is changing it."""


class Watch:
    """Judges rollouts; what it remembers of each is what the ledger holds, so that a look costs little."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._known: dict[str, Known] = {}
        self._told: set[tuple[object, ...]] = set()

    def forget_all_but(self, open_now: set[str]) -> None:
        """Keep what is known of these rollouts alone."""
        self._known = {name: known for name, known in self._known.items() if name in open_now}
        self._told = {told for told in self._told if told[0] in open_now}

    def trigger(self, rollout: Rollout) -> str | None:
        """Return why the rollout has to go home now, None when it has not.

        While nobody drives it (a person is being asked) the looks taken here are the rollout's checks, and are
        recorded as often as the plan wants. An outage of the ledger or of the records is no trigger here: the lease
        and the counters go on being watched, and a driver has its own deadline for blindness.
        """
        if rollout.unreadable is not None:
            return "; ".join(rollout.reasons)
        if not isinstance(rollout.plan, CanaryPlan) or rollout.phase not in WATCHED or rollout.split is None:
            return None
        late = self._late(rollout)
        try:
            found = self._judge(rollout, rollout.plan, alone=rollout.waits)
        except (Outage, HeadMovedError):
            return late
        return None if found is not None and found.verdict is Verdict.HOLD else late or self._harm(rollout, found)

    def holds(self, rollout: Rollout) -> bool:
        """Return whether home would be no better for a rollout without a driver: the stable model fails.

        People have been told, and the looks taken here are the rollout's checks.
        """
        if not isinstance(rollout.plan, CanaryPlan) or rollout.phase not in WATCHED or rollout.split is None:
            return False
        try:
            found = self._judge(rollout, rollout.plan, alone=True)
        except (Outage, HeadMovedError):
            return False
        return found is not None and found.verdict is Verdict.HOLD

    def _late(self, rollout: Rollout) -> str | None:
        if rollout.phase is not Phase.AWAITING_APPROVAL:
            return None
        stage = max(rollout.asked)
        deadline = rollout.answer_by(stage)
        # The orchestrator ends the run at the deadline itself; this is for when it does not.
        if self._world.ledger.now() <= deadline + timedelta(seconds=self._world.lease_seconds):
            return None
        return f"no approval of {stage} % is on record by {deadline:%Y-%m-%d %H:%M:%S} UTC"

    def _judge(self, rollout: Rollout, plan: CanaryPlan, *, alone: bool) -> Decision | None:
        """Return what is decided now, None where the rollout has moved on meanwhile; nobody else records if `alone`."""
        known = self._known.get(rollout.id) or recall(self._world, rollout, plan)
        known = learn(self._world, rollout, plan, known)
        self._known[rollout.id] = known
        look, _, decision = peek(self._world, rollout, plan, known)
        if reread(self._world.ledger, rollout).head != rollout.head:
            return None  # it moved on while we looked: the split was somebody's to change
        due = alone and (look.at - known.until).total_seconds() >= plan.check_seconds
        told = (rollout.id, rollout.stage, decision.failing, bool(decision.broken))
        try:  # what was found counts though it cannot be written down: harm goes home, and a stable that fails holds
            if decision.verdict is Verdict.HOLD and told not in self._told:
                tell_home_fails(self._world, rollout, decision)
                self._told.add(told)
            if decision.verdict is Verdict.ROLL_BACK or due:
                record_check(self._world, rollout, look, decision, known.head)
        except HeadMovedError:
            raise
        except (Outage, LedgerError) as error:
            log.warning("%s: a check could not be written down: %s", rollout.id, error)
        return decision

    def _harm(self, rollout: Rollout, found: Decision | None) -> str | None:
        if found is None or not (
            found.verdict is Verdict.ROLL_BACK or (rollout.waits and found.verdict is Verdict.INCONCLUSIVE)
        ):
            return None
        return "; ".join(found.reasons)
