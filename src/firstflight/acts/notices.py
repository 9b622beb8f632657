"""The messages of a rollout: what each moment tells people."""

from firstflight.acts.impact import RollbackImpact
from firstflight.decision.verdicts import Decision, MetricVerdict
from firstflight.domain.plans import ABTestPlan
from firstflight.domain.wording import duration, gap, metric_name, quantity
from firstflight.notify.messages import Kind, Message
from firstflight.rollout.approval import try_words
from firstflight.rollout.machine import Phase, Rollout

RESUME = "on the run's page, top right: \N{VERTICAL ELLIPSIS}, Resume"


def started(rollout: Rollout, link: str) -> Message:
    """The rollout has begun."""
    plan, arms, tried = rollout.plan, rollout.arms, _tried(rollout)
    if isinstance(plan, ABTestPlan):
        shares = ", ".join(f"{name} {percent} %" for name, percent in arms.weights.items())
        facts = [("Traffic", shares), ("Ends after", f"{plan.requests:,} requests or {duration(plan.seconds)}")]
        facts += [("Shadow", f"{arms.shadow_name}, whose answers nobody gets")] if arms.shadow_name else []
        facts += _again(rollout)
        headline = f"A/B test of {tried} against {arms.stable.served_name} started"
        return _message("started", rollout, headline, link, facts=facts)
    stages = " → ".join(f"{stage} %" for stage in plan.stages)
    facts = [("Stable", arms.stable.served_name), ("Candidate", tried), ("Stages", stages), *_again(rollout)]
    return _message("started", rollout, f"canary of {tried} started", link, facts=facts)


def stage_passed(rollout: Rollout, link: str) -> Message:
    """A stage of a canary is good; what comes next."""
    stages = () if isinstance(rollout.plan, ABTestPlan) else rollout.plan.stages
    left = [f"{stage} %" for stage in stages if stage not in rollout.passed]
    headline = f"{_tried(rollout)} passed {rollout.passed[-1]} %"
    facts = [("Next", left[0] if left else "promotion")]
    return _message("stage passed", rollout, headline, link, facts=facts, reasons=rollout.reasons)


def approval_wanted(rollout: Rollout, stage: int, link: str) -> Message:
    """A person has to answer before the next stage; silence brings traffic back to the stable model."""
    facts = [
        ("Answer by", f"{rollout.answer_by(stage):%Y-%m-%d %H:%M:%S %Z}"),
        ("No answer", "traffic goes back to the stable model"),
        ("Where", RESUME),
    ]
    headline = f"approve {_tried(rollout)} for {stage} % of traffic?"
    return _message("approval wanted", rollout, headline, link, facts=facts, reasons=rollout.reasons)


def home_fails(rollout: Rollout, decision: Decision, link: str) -> Message:
    """The stable model itself is failing: the split is held until a person decides."""
    split = rollout.split or "unknown"
    tried = _tried(rollout)
    facts = [("Split, held", str(split))]
    if not decision.broken:
        facts.append(("To serve the candidate alone", f"firstflight promote {rollout.model} --as YOU --comment WHY"))
    facts.append(("To go home all the same", f"firstflight roll-back {rollout.model}"))
    what = f"{rollout.arms.stable.served_name} is failing" + (f", and so is {tried}" if decision.broken else "")
    return _message("home fails", rollout, what, link, facts=facts, reasons=decision.reasons)


def ended(rollout: Rollout, impact: RollbackImpact, link: str) -> Message:
    """How the rollout ended; the first of an A/B test's reasons is its recommendation."""
    stable, tried = rollout.arms.stable.served_name, _tried(rollout)
    if rollout.phase is Phase.PROMOTED:
        facts = [("Serves now", f"{tried} 100 %"), ("Replaced", f"{stable}, still loaded")]
        return _message("promoted", rollout, f"{tried} promoted", link, facts=facts)
    if rollout.phase is Phase.COMPARED:
        [recommendation, *reasons] = rollout.reasons
        facts = [("Serves now", f"{stable} 100 %")]
        return _message(
            "compared", rollout, f"A/B test ended, {recommendation}", link, facts=facts, reasons=tuple(reasons)
        )
    facts = [
        *((f"Trigger: {metric_name(row.metric, row.quantile)}", _breach(row)) for row in impact.breaches),
        ("Serves now", f"{stable} 100 %{', and is failing' if impact.home_fails else ''}"),
        ("Harmed requests", "not counted" if impact.requests is None else f"{impact.requests:,}"),
        ("Breach to safety", "not measured" if impact.seconds is None else duration(impact.seconds)),
    ]
    at_stage = "" if rollout.stage is None or rollout.activity == "ab_test" else f" at {rollout.stage} %"
    return _message(
        "rolled back", rollout, f"{tried} rolled back{at_stage}", link, facts=facts, reasons=rollout.reasons
    )


def _message(
    kind: Kind,
    rollout: Rollout,
    headline: str,
    link: str,
    *,
    facts: list[tuple[str, str]],
    reasons: tuple[str, ...] = (),
) -> Message:
    return Message(
        kind=kind,
        model=rollout.model,
        rollout=rollout.id,
        headline=f"{rollout.model}: {headline}",
        facts=(*facts, ("Rollout", rollout.id)),
        reasons=reasons,
        link=link,
    )


def _breach(row: MetricVerdict) -> str:
    """Return what fired and what it was held to, in the metric's own unit."""
    held = [f"limit {quantity(row.limit, row.unit)}"] if row.limit is not None else []
    held += [f"stable {quantity(row.stable, row.unit)}"] if row.stable is not None else []
    held += [f"margin {gap(row.margin, row.unit)}"] if row.margin is not None else []
    return ", ".join([quantity(row.candidate, row.unit), *held])


def _again(rollout: Rollout) -> list[tuple[str, str]]:
    return [("Try", try_words(rollout))] if rollout.attempt > 1 else []


def _tried(rollout: Rollout) -> str:
    return ", ".join(version.served_name for version in rollout.arms.candidates)
