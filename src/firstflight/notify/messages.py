"""What people are told about a rollout: values, made by pure functions, one for each occasion."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from firstflight.domain.values import Value

Kind = Literal["started", "compared", "stage passed", "approval wanted", "promoted", "rolled back", "blocked"]


class Breach(Value):
    """A guardrail that fired, as text ready to print: `latency p95`, `412 ms`, `200 ms`."""

    metric: str
    value: str
    limit: str


class Message(Value):
    """One message, free of markup: the headline says what happened, the facts how much, the reasons why."""

    kind: Kind
    model: str
    rollout: str
    headline: str
    facts: tuple[tuple[str, str], ...] = ()
    reasons: tuple[str, ...] = ()
    link: str | None = None

    @property
    def text(self) -> str:
        """The whole message as plain text."""
        lines = [self.headline]
        lines += [f"  {label}: {value}" for label, value in self.facts]
        lines += [f"  - {reason}" for reason in self.reasons]
        lines += [f"  {self.link}"] if self.link else []
        return "\n".join(lines)


def started(
    *, model: str, rollout: str, stable: str, candidate: str, stages: Iterable[int], link: str | None
) -> Message:
    """A canary has begun."""
    ladder = " → ".join(f"{stage} %" for stage in stages)
    return Message(
        kind="started",
        model=model,
        rollout=rollout,
        headline=f"{model}: canary of {candidate} started",
        facts=(("Stable", stable), ("Candidate", candidate), ("Stages", ladder), ("Rollout", rollout)),
        link=link,
    )


def compared(*, model: str, rollout: str, headline: str, reasons: tuple[str, ...], link: str | None) -> Message:
    """An A/B test has ended; `headline` is its recommendation."""
    return Message(
        kind="compared",
        model=model,
        rollout=rollout,
        headline=f"{model}: A/B test ended. {headline}",
        facts=(("Rollout", rollout),),
        reasons=reasons,
        link=link,
    )


def stage_passed(
    *,
    model: str,
    rollout: str,
    candidate: str,
    stage: int,
    next_stage: int | None,
    reasons: tuple[str, ...],
    link: str | None,
) -> Message:
    """The candidate has passed a stage."""
    following = "promotion" if next_stage is None else f"{next_stage} %"
    return Message(
        kind="stage passed",
        model=model,
        rollout=rollout,
        headline=f"{model}: {candidate} passed {stage} %",
        facts=(("Next", following), ("Rollout", rollout)),
        reasons=reasons,
        link=link,
    )


def approval_wanted(
    *,
    model: str,
    rollout: str,
    candidate: str,
    stage: int,
    answer_by: datetime,
    reasons: tuple[str, ...],
    link: str | None,
) -> Message:
    """A person has to answer before the next stage; silence brings traffic back to the stable model."""
    return Message(
        kind="approval wanted",
        model=model,
        rollout=rollout,
        headline=f"{model}: approve {candidate} for {stage} % of traffic?",
        facts=(
            ("Answer by", f"{answer_by:%Y-%m-%d %H:%M:%S %Z}"),
            ("No answer", "traffic goes back to the stable model"),
            ("Rollout", rollout),
        ),
        reasons=reasons,
        link=link,
    )


def promoted(*, model: str, rollout: str, stable: str, candidate: str, link: str | None) -> Message:
    """The candidate serves everything now; `stable` is what it replaced."""
    return Message(
        kind="promoted",
        model=model,
        rollout=rollout,
        headline=f"{model}: {candidate} promoted",
        facts=(("Serves now", f"{candidate} 100 %"), ("Replaced", f"{stable}, still loaded"), ("Rollout", rollout)),
        link=link,
    )


def rolled_back(
    *,
    model: str,
    rollout: str,
    stable: str,
    candidate: str,
    stage: int | None,
    breaches: tuple[Breach, ...],
    reasons: tuple[str, ...],
    harmed: int | None,
    seconds: float | None,
    link: str | None,
) -> Message:
    """Traffic is back at the stable model.

    `harmed` counts the requests that the candidate spoiled, `seconds` runs from the breach to traffic
    at stable; None says that it was not counted or measured.
    """
    triggers = tuple((f"Trigger: {breach.metric}", f"{breach.value}, limit {breach.limit}") for breach in breaches)
    at_stage = "" if stage is None else f" at {stage} %"
    return Message(
        kind="rolled back",
        model=model,
        rollout=rollout,
        headline=f"{model}: {candidate} rolled back{at_stage}",
        facts=(
            *triggers,
            ("Serves now", f"{stable} 100 %"),
            ("Harmed requests", "not counted" if harmed is None else f"{harmed:,}"),
            ("Breach to safety", "not measured" if seconds is None else f"{seconds:.1f} s"),
            ("Rollout", rollout),
        ),
        reasons=reasons,
        link=link,
    )


def blocked(*, model: str, rollout: str, what: str, reasons: tuple[str, ...], link: str | None) -> Message:
    """The rollout cannot go on by itself: undecided, without data, or refused; `what` says which."""
    return Message(
        kind="blocked",
        model=model,
        rollout=rollout,
        headline=f"{model}: {what}",
        facts=(("Rollout", rollout),),
        reasons=reasons,
        link=link,
    )


def guarded(*, model: str, rollout: str, candidates: Iterable[str], reason: str, proof: str) -> Message:
    """The guard has brought traffic home and cannot reach the ledger: the shortest way to tell people."""
    return Message(
        kind="rolled back",
        model=model,
        rollout=rollout,
        headline=f"{model}: {', '.join(candidates)} rolled back by the guard",
        facts=(("Verified", proof), ("Ledger", "not told yet, it does not answer"), ("Rollout", rollout)),
        reasons=(reason,),
    )
