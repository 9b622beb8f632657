"""Look at what the arms do, until the stage is decided."""

from collections.abc import Callable
from datetime import datetime, timedelta

from firstflight.acts.ledger_view import checks, reread
from firstflight.decision import Decision, Evidence, Verdict, judge, start, update
from firstflight.errors import RolloutError
from firstflight.observation.source import MetricSource
from firstflight.plans import ABTestPlan, CanaryPlan
from firstflight.rollout import Rollout, checks_stream
from firstflight.samples import Look, Window
from firstflight.traffic import TrafficSplit
from firstflight.world import World

SETTLE_SECONDS = 1.0
"""Requests routed under the old split may still be on their way this long after a change."""

OnCheck = Callable[[Look, Decision], None]


def observe(world: World, rollout: Rollout, on_check: OnCheck) -> Decision | None:
    """Check every `plan.check_seconds` until the verdict is not CONTINUE, and return the decision.

    Each check is recorded with the look it judged, so the evidence survives this process and can be
    replayed. Returns None when somebody else moved the rollout: read it again before acting.
    """
    plan = rollout.plan
    if isinstance(plan, ABTestPlan):
        raise RolloutError(f"{rollout.id} is an A/B test: it is compared, not observed stage by stage")
    stable, candidate = rollout.arms.stable.served_name, rollout.candidate.served_name
    evidence, last = recall(world, rollout, plan)
    checked = last
    while True:
        world.wait(max(0.0, plan.check_seconds - (world.now() - checked).total_seconds()))
        if reread(world.ledger, rollout).head != rollout.head:
            return None
        look = take_look(world, rollout, (stable, candidate), since=last)
        last, checked = look.window.until, look.at
        evidence = update(plan, evidence, look)
        decision = (
            split_fault(rollout, world.backend.get_traffic(rollout.model))
            or records_fault(plan, look)
            or judge(plan, evidence)
        )
        body = {"look": look.model_dump(mode="json"), "decision": decision.model_dump(mode="json")}
        world.ledger.append(checks_stream(rollout), "check", body, actor=rollout.driver)
        on_check(look, decision)
        if decision.verdict is not Verdict.CONTINUE:
            return decision


def recall(world: World, rollout: Rollout, plan: CanaryPlan) -> tuple[Evidence, datetime]:
    """Return the evidence of every recorded check, and the moment up to which traffic has been looked at."""
    evidence = start(plan, rollout.arms.stable.served_name, rollout.candidate.served_name)
    last = (rollout.stage_started_at or rollout.started_at) + timedelta(seconds=SETTLE_SECONDS)
    for look, _ in checks(world.ledger, rollout):
        evidence = update(plan, evidence, look)
        last = max(last, look.window.until)
    return evidence, last


def take_look(world: World, rollout: Rollout, names: tuple[str, ...], *, since: datetime) -> Look:
    """Return what `names` did from `since` up to where the records are complete."""
    watermark = world.source.watermark(rollout.model)
    until = max(since, watermark.until) if watermark else since
    window = Window(since=since, until=until)
    split, stage = rollout.split, rollout.stage
    if split is None or stage is None or rollout.stage_started_at is None:
        raise ValueError(
            f"rollout {rollout.id} is {rollout.phase}: there is nothing to look at before a stage is entered"
        )
    return Look(
        at=world.now(),
        window=window,
        stage=stage,
        stage_started_at=rollout.stage_started_at,
        weights={name: split.percent(name) for name in names},
        assignments=dict(world.source.assignments(rollout.model, window)),
        samples={name: dict(world.source.samples(rollout.model, name, window)) for name in names},
        paired=_paired(world.source, rollout, window),
    )


def _paired(source: MetricSource, rollout: Rollout, window: Window) -> dict[str, dict[str, object]]:
    control, shadow = rollout.arms.stable.served_name, rollout.arms.shadow_name
    return {shadow: dict(source.paired(rollout.model, control, shadow, window))} if shadow else {}


def split_fault(rollout: Rollout, reported: TrafficSplit | None) -> Decision | None:
    """Return the decision to roll back when the router reports another split than the rollout set."""
    if reported == rollout.split:
        return None
    return Decision(
        verdict=Verdict.ROLL_BACK,
        reasons=(f"the router reports {reported or 'no such route'}, the rollout had set {rollout.split}",),
    )


def records_fault(plan: CanaryPlan, look: Look) -> Decision | None:
    """Return INCONCLUSIVE when records have stopped for longer than the plan allows, by the clock.

    A look whose window does not move on holds no news, so `judge`, whose time is that of the windows, would
    wait with the watermark for ever.
    """
    behind = (look.at - look.window.until).total_seconds()
    if behind <= plan.no_data_seconds:
        return None
    reason = (
        f"blind: requests are recorded up to {look.window.until:%H:%M:%S} UTC, {behind:,.0f} s ago, at most "
        f"{plan.no_data_seconds:,.0f} s allowed; is the collector running?"
    )
    return Decision(verdict=Verdict.INCONCLUSIVE, reasons=(reason,), stage=look.stage, at=look.at)
