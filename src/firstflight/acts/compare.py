"""Watch an A/B test until its planned requests are in, then compare the variants."""

from collections.abc import Callable

from firstflight.acts.lease import wait_holding
from firstflight.acts.ledger_view import look_in
from firstflight.acts.look import Pace, fault_of, first_moment, records_fault, take_look
from firstflight.acts.observe import persist, record_check, until_next
from firstflight.acts.tell import tell_home_fails
from firstflight.comparison.compare import Comparison, compare
from firstflight.decision.decide import Decision, Evidence, Verdict, judge, start, update
from firstflight.domain.errors import RolloutError
from firstflight.domain.plans import RECORDED, ABTestPlan, CanaryPlan
from firstflight.domain.samples import Look, Window
from firstflight.domain.versions import PARAMETERS, ModelVersion
from firstflight.ledger.record import RecordStore
from firstflight.rollout.machine import Rollout, checks_stream
from firstflight.workloads.find import find
from firstflight.world import World


def compare_variants(world: World, rollout: Rollout) -> Decision:
    """Check every `check_seconds` until the planned requests are in, and record the comparison.

    Harm to any variant's users ends the test at once: its guardrails are watched as in a canary.
    Returns PROMOTE when the test ran its length (whatever it found), ROLL_BACK on harm, INCONCLUSIVE
    when the time was up first; raises as `observe` does.
    """
    return persist(world, rollout, lambda saw: _until_compared(world, rollout, saw))


def _until_compared(world: World, rollout: Rollout, saw: Callable[[], None]) -> Decision:
    plan = _plan(rollout)
    test = Watched(rollout)
    names = (*rollout.arms.names, *([rollout.arms.shadow_name] if rollout.arms.shadow_name else []))
    last, head = first_moment(rollout), 0
    for record in world.ledger.read(checks_stream(rollout)):
        head = record.number
        if record.kind == "check":
            look = look_in(record)
            test.learn(look)
            last = max(last, look.window.until)
    at, pace = last, Pace(world, last, plan.seconds)
    wait = until_next(world, plan.check_seconds, at)
    while True:
        wait_holding(world, rollout, wait)
        checked = world.monotonic()
        look = take_look(world, rollout, names, since=last, pace=pace, after=at)
        last, at, found = look.window.until, look.at, test.learn(look)
        decision = fault_of(world, rollout) or found
        head = record_check(world, rollout, look, decision, head).number
        saw()
        world.show(look, decision)
        if decision.verdict is Verdict.PROMOTE:
            told = _compare(world, rollout, Window(since=first_moment(rollout), until=last))
            body = {"comparison": told.model_dump(mode="json")}
            world.ledger.append(checks_stream(rollout), "comparison", body, actor=rollout.driver)
            why = tuple(f"{one.variant}: {reason}" for one in told.recommendations for reason in one.reasons)
            return decision.model_copy(update={"reasons": (told.headline, *decision.reasons, *why)})
        if decision.verdict is Verdict.HOLD:
            tell_home_fails(world, rollout, decision)
        if decision.verdict.decides:
            return decision
        wait = max(0.0, plan.check_seconds - (world.monotonic() - checked))


class Watched:
    """What the looks of an A/B test so far say; nobody is asked."""

    def __init__(self, rollout: Rollout) -> None:
        """Know nothing yet."""
        self._plan = _plan(rollout)
        self._watched = _watched(self._plan, rollout)
        self._requests = 0
        self._evidence: dict[ModelVersion, Evidence] = {
            version: start(self._watched, _stable(rollout), version.served_name) for version in rollout.arms.candidates
        }

    def learn(self, look: Look) -> Decision:
        """Take the next look in, and return what all of them say."""
        self._evidence = {version: update(self._watched, known, look) for version, known in self._evidence.items()}
        self._requests += sum(look.assignments.values())
        return _decide(self._watched, self._evidence, look, self._requests, self._plan)


def comparison_in(ledger: RecordStore, rollout: Rollout) -> Comparison | None:
    """Return the comparison that `rollout` recorded, or None when it ended before it could."""
    found = [record for record in ledger.read(checks_stream(rollout)) if record.kind == "comparison"]
    return Comparison.model_validate(found[-1].body["comparison"]) if found else None


def _plan(rollout: Rollout) -> ABTestPlan:
    if not isinstance(rollout.plan, ABTestPlan):
        raise RolloutError(f"{rollout.id} is a canary: it is observed stage by stage, not compared")
    return rollout.plan


def _watched(plan: ABTestPlan, rollout: Rollout) -> CanaryPlan:
    """The canary of one stage whose rollback rules guard each variant of the test; it has nothing to prove.

    Harm to any variant ends the test, so they share the test's level.
    """
    body = {
        "model": rollout.model,
        "stages": (100,),
        "approvals": (),
        "stage_seconds": plan.seconds,
        "min_stage_seconds": plan.seconds,
        "warmup_seconds": 0,
        "check_seconds": plan.check_seconds,
        "no_data_seconds": plan.seconds,
        "alpha_rollback": plan.alpha / len(rollout.arms.candidates),
        "guardrails": [{**guardrail.model_dump(), "proves": False} for guardrail in plan.guardrails],
    }
    return CanaryPlan.model_validate(
        body, context=RECORDED
    )  # its parts are those of a plan that was valid when it began


def _decide(
    watched: CanaryPlan, evidence: dict[ModelVersion, Evidence], look: Look, requests: int, plan: ABTestPlan
) -> Decision:
    judged = [judge(watched, known) for known in evidence.values()]
    for verdict in (Verdict.ROLL_BACK, Verdict.HOLD):
        if found := [each for each in judged if each.verdict is verdict]:
            return found[0]
    seen = f"{requests:,} of {plan.requests:,} planned requests seen"
    if requests >= plan.requests:
        return Decision(verdict=Verdict.PROMOTE, reasons=(seen,))
    if look.stage_elapsed >= plan.seconds:
        reason = f"{seen} after {look.stage_elapsed:.0f} s, the longest the plan waits; is the route receiving traffic?"
        return Decision(verdict=Verdict.INCONCLUSIVE, reasons=(reason,))
    return records_fault(watched, look) or Decision(verdict=Verdict.CONTINUE, reasons=(seen,))


def _compare(world: World, rollout: Rollout, window: Window) -> Comparison:
    plan, arms, workload = _plan(rollout), rollout.arms, find(rollout.plan.workload)
    source = world.source.scored_by(workload.scoring)
    variants = {version.served_name: version.variant for version in arms.candidates}
    shadow = {arms.shadow_name: arms.shadow.variant} if arms.shadow and arms.shadow_name else {}
    control = _stable(rollout)
    return compare(
        plan,
        samples={name: source.samples(rollout.model, name, window) for name in (*arms.names, *shadow)},
        paired={name: source.paired(rollout.model, control, name, window) for name in (*variants, *shadow)},
        assignments=source.assignments(rollout.model, window),
        units=source.units(rollout.model, window, begun=window.since),
        control=control,
        weights=arms.weights,
        variants=variants,
        metrics=workload.metrics,
        shadows=shadow,
        costs=_costs(world, (arms.stable, *arms.candidates)),
    )


def _costs(world: World, versions: tuple[ModelVersion, ...]) -> dict[str, float]:
    """Served name → number of weights, of the versions whose tags tell it."""
    tags = {version.served_name: world.registry.tags(version) for version in versions}
    return {name: float(found[PARAMETERS]) for name, found in tags.items() if PARAMETERS in found}


def _stable(rollout: Rollout) -> str:
    return rollout.arms.stable.served_name
