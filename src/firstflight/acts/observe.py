"""Look at what the arms do, until the stage is decided."""

import logging
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from firstflight.acts.lease import RENEWALS, renew_lease, wait_holding
from firstflight.acts.ledger_view import look_in
from firstflight.acts.look import Pace, fault_of, first_moment, records_fault, take_look
from firstflight.acts.rules import rules
from firstflight.acts.tell import tell_home_fails
from firstflight.decision.decide import Decision, Evidence, Verdict, judge, start, update
from firstflight.domain.errors import Outage, RolloutError
from firstflight.domain.plans import ABTestPlan, CanaryPlan
from firstflight.domain.samples import Look
from firstflight.ledger.record import Record
from firstflight.rollout.machine import Phase, Rollout, checks_stream
from firstflight.rollout.story import sentence
from firstflight.world import World

log = logging.getLogger(__name__)


def observe(world: World, rollout: Rollout) -> Decision:
    """Check every `plan.check_seconds` until the stage is decided, and return the decision.

    While the stable model fails the split is held: people are told, and the checks go on. Each check is recorded with
    the look it judged, so the evidence survives this process and can be replayed.

    Raises an Outage when for `plan.no_data_seconds` no check could be made; HeadMovedError or StaleTokenError when
    somebody else has moved the rollout.
    """
    return persist(world, rollout, lambda saw: _until_decided(world, rollout, saw))


def bake(world: World, rollout: Rollout) -> Decision:
    """Watch the promoted candidate for `plan.bake_seconds`; only harm ends the bake early.

    Returns ROLL_BACK on harm, PROMOTE when the time is over; raises as `observe` does. What the stable model did cannot
    be compared any more: it has no traffic, and waits, warm, to take it back.
    """
    return persist(world, rollout, lambda saw: _until_baked(world, rollout, saw))


def look_again(world: World, rollout: Rollout) -> Decision | None:
    """Check once more before traffic is raised when the last check is old; None when it is not.

    Whoever waited for a person's answer, or was away, must not act on old evidence.
    """
    plan = canary_plan(rollout)
    known = recall(world, rollout, plan)
    if (world.ledger.now() - known.until).total_seconds() <= max(plan.check_seconds, world.lease_seconds):
        return None
    return check(world, rollout, plan, known)[1]


def canary_plan(rollout: Rollout) -> CanaryPlan:
    """Return the plan of a canary; raises RolloutError for an A/B test, which is compared and not observed."""
    if isinstance(rollout.plan, ABTestPlan):
        raise RolloutError(f"{rollout.id} is an A/B test: it is compared, not observed stage by stage")
    return rollout.plan


@dataclass(frozen=True)
class Known:
    """What the recorded checks tell: the evidence, up to when traffic has been looked at, the last check's number."""

    evidence: Evidence
    until: datetime
    head: int
    pace: Pace


def recall(world: World, rollout: Rollout, plan: CanaryPlan) -> Known:
    """Return what is known from every recorded check of `rollout`."""
    begin, since = start(plan, rollout.arms.stable.served_name, rollout.candidate.served_name), first_moment(rollout)
    known = learn(world, rollout, plan, Known(begin, since, 0, Pace(world, since, plan.no_data_seconds)))
    return replace(known, pace=Pace(world, known.until, plan.no_data_seconds))


def learn(world: World, rollout: Rollout, plan: CanaryPlan, known: Known) -> Known:
    """Return what is known with the checks that were recorded since.

    Raises UnreadableRecordError: without one of them the evidence would be another's.
    """
    evidence, until, head = known.evidence, known.until, known.head
    for record in world.ledger.read(checks_stream(rollout), after=known.head):
        head = record.number
        if record.kind == "check":
            look = look_in(record)
            evidence, until = update(plan, evidence, look), max(until, look.window.until)
    return Known(evidence, max(until, first_moment(rollout)), head, known.pace)


def until_next(world: World, every: float, last: datetime) -> float:
    """Return for how many seconds a new process waits for its first check; a clock that was set makes it no longer."""
    return min(every, max(0.0, every - (world.ledger.now() - last).total_seconds()))


def peek(world: World, rollout: Rollout, plan: CanaryPlan, known: Known) -> tuple[Look, Evidence, Decision]:
    """Return what a check would find now; nothing is recorded."""
    names = (rollout.arms.stable.served_name, rollout.candidate.served_name)
    look = take_look(world, rollout, names, since=known.until, pace=known.pace, after=known.evidence.at)
    evidence = update(plan, known.evidence, look)
    return look, evidence, fault_of(world, rollout) or concluded(rollout, plan, evidence, look)


def concluded(rollout: Rollout, plan: CanaryPlan, evidence: Evidence, look: Look) -> Decision:
    """Return what the evidence with its last `look` says of `rollout` as it stands; nobody is asked."""
    # A stage that has passed, or is held, is only being waited out: it cannot be late.
    limits = (
        plan
        if rollout.phase is Phase.OBSERVING and not rollout.held
        else plan.model_copy(update={"stage_seconds": math.inf})
    )
    found = judge(limits, evidence)
    blind = None if found.verdict is Verdict.HOLD else records_fault(plan, look)
    return blind or found


def baked(rollout: Rollout, plan: CanaryPlan, decision: Decision) -> Decision:
    """Return what is recorded of `decision`: in the bake only harm ends anything."""
    if rollout.phase is not Phase.BAKING or decision.verdict is Verdict.ROLL_BACK:
        return decision
    baking = (f"promoted, baking for {plan.bake_seconds:,.0f} s", *decision.reasons)
    return decision.model_copy(update={"verdict": Verdict.CONTINUE, "reasons": baking})


def check(world: World, rollout: Rollout, plan: CanaryPlan, known: Known) -> tuple[Look, Decision, Known]:
    """Look, decide and record both.

    Raises HeadMovedError when somebody else has recorded a check since: there would be two of one window.
    """
    look, evidence, decision = peek(world, rollout, plan, known)
    decision = baked(rollout, plan, decision)
    record = record_check(world, rollout, look, decision, known.head)
    return look, decision, Known(evidence, look.window.until, record.number, known.pace)


def record_check(world: World, rollout: Rollout, look: Look, decision: Decision, head: int) -> Record:
    """Record a check after the one numbered `head`."""
    body = {
        "activity": rollout.activity,
        "rules": rules(),
        "head": rollout.head,
        "look": look.model_dump(mode="json"),
        "decision": decision.model_dump(mode="json"),
    }
    record = world.ledger.append(checks_stream(rollout), "check", body, actor=rollout.driver, expect=head)
    log.info("%s: %s: %s", rollout.id, sentence(record), "; ".join(decision.reasons))
    return record


def persist(world: World, rollout: Rollout, attempt: Callable[[Callable[[], None]], Decision]) -> Decision:
    """Repeat `attempt` through outages for as long as the plan allows to see nothing; it says when it has seen.

    Raises the Outage when that time is over.
    """
    plan = rollout.plan
    allowed = plan.seconds if isinstance(plan, ABTestPlan) else plan.no_data_seconds
    seen = world.monotonic()

    def saw() -> None:
        nonlocal seen
        seen = world.monotonic()

    while True:
        try:
            return attempt(saw)
        except Outage as error:
            blind = world.monotonic() - seen
            if blind > allowed:
                raise
            log.warning("%s: no check could be made for %.0f s (at most %.0f s): %s", rollout.id, blind, allowed, error)
            world.wait(min(plan.check_seconds, world.lease_seconds / RENEWALS))
            with suppress(Outage):  # still here, though it sees nothing
                renew_lease(world, rollout)


def _until_decided(world: World, rollout: Rollout, saw: Callable[[], None]) -> Decision:
    plan = canary_plan(rollout)
    known = recall(world, rollout, plan)
    wait = until_next(world, plan.check_seconds, known.until)
    while True:
        wait_holding(world, rollout, wait)
        checked = world.monotonic()
        look, decision, known = check(world, rollout, plan, known)
        saw()
        world.show(look, decision)
        if decision.verdict is Verdict.HOLD:
            tell_home_fails(world, rollout, decision)
        if decision.verdict.decides:
            return decision
        wait = max(0.0, plan.check_seconds - (world.monotonic() - checked))


def _until_baked(world: World, rollout: Rollout, saw: Callable[[], None]) -> Decision:
    plan = canary_plan(rollout)
    known = recall(world, rollout, plan)
    baked = (world.ledger.now() - rollout.bake_started_at).total_seconds() if rollout.bake_started_at else 0.0
    over = world.monotonic() + plan.bake_seconds - min(max(baked, 0.0), plan.bake_seconds)
    while (left := over - world.monotonic()) > 0:
        wait_holding(world, rollout, min(plan.check_seconds, left))
        look, decision, known = check(world, rollout, plan, known)
        saw()
        if decision.verdict is Verdict.ROLL_BACK:
            world.show(look, decision)
            return decision
    return Decision(verdict=Verdict.PROMOTE, reasons=(f"no harm in {plan.bake_seconds:,.0f} s after promotion",))
