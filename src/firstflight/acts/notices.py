"""The messages of a rollout: what each moment tells people."""

from firstflight.acts.harm import Harm
from firstflight.domain.plans import CanaryPlan
from firstflight.notify import messages
from firstflight.notify.messages import Message
from firstflight.rollout.machine import Phase, Rollout


def started(rollout: Rollout, link: str) -> Message:
    """The rollout has begun."""
    stages = (
        rollout.plan.stages if isinstance(rollout.plan, CanaryPlan) else (100 - rollout.arms.weights[_stable(rollout)],)
    )
    return messages.started(
        model=rollout.model,
        rollout=rollout.id,
        stable=_stable(rollout),
        candidate=_tried(rollout),
        stages=stages,
        link=link,
    )


def stage_passed(rollout: Rollout, link: str) -> Message:
    """A stage is good; what comes next."""
    stages = rollout.plan.stages if isinstance(rollout.plan, CanaryPlan) else ()
    left = [stage for stage in stages if stage not in rollout.passed]
    return messages.stage_passed(
        model=rollout.model,
        rollout=rollout.id,
        candidate=_tried(rollout),
        stage=rollout.passed[-1],
        next_stage=left[0] if left else None,
        reasons=rollout.reasons,
        link=link,
    )


def approval_wanted(rollout: Rollout, stage: int, link: str) -> Message:
    """A person is asked."""
    return messages.approval_wanted(
        model=rollout.model,
        rollout=rollout.id,
        candidate=_tried(rollout),
        stage=stage,
        answer_by=rollout.answer_by(stage),
        reasons=rollout.reasons,
        link=link,
    )


def ended(rollout: Rollout, harm: Harm, link: str) -> Message:
    """How the rollout ended."""
    if rollout.phase is Phase.PROMOTED:
        return messages.promoted(
            model=rollout.model, rollout=rollout.id, stable=_stable(rollout), candidate=_tried(rollout), link=link
        )
    if rollout.phase is Phase.COMPARED:
        headline = f"{rollout.model}: A/B test {rollout.id} has ended"
        return messages.compared(
            model=rollout.model, rollout=rollout.id, headline=headline, reasons=rollout.reasons, link=link
        )
    return messages.rolled_back(
        model=rollout.model,
        rollout=rollout.id,
        stable=_stable(rollout),
        candidate=_tried(rollout),
        stage=rollout.stage,
        breaches=harm.breaches,
        reasons=rollout.reasons,
        harmed=harm.requests,
        seconds=harm.seconds,
        link=link,
    )


def _stable(rollout: Rollout) -> str:
    return rollout.arms.stable.served_name


def _tried(rollout: Rollout) -> str:
    return ", ".join(version.served_name for version in rollout.arms.candidates)
