"""The question whether a rollout may go on, and a person's answer to it."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Literal

from pydantic import Field, ValidationError

from firstflight.decision.reasons import ends, held, meaning
from firstflight.decision.verdicts import Decision, MetricVerdict, Verdict
from firstflight.domain.values import Form, Name, Words
from firstflight.domain.wording import metric_name, quantity
from firstflight.rollout.machine import Phase, Rollout


class Answer(Form):
    """Who answered, what, and why. No field that matters has a default: silence is not consent."""

    approver: Name = Field(title="Your name", description="Who you are; it is kept in the record.")
    decision: Literal["approve", "reject"] = Field(
        description="approve: the rollout goes on to the next stage. reject: all traffic goes back to the stable model."
    )
    comment: Words = Field(description="Why; it is kept in the record.")


def key(rollout: str, stage: int, attempt: int) -> str:
    """Name of the question in Prefect; an attempt that died with its question open asks a new one."""
    return f"{rollout}-{stage}-{attempt}"


def refusal(rollout: Rollout, answers: Mapping[str, str]) -> Answer | None:
    """Return the no to what `rollout` asks now, if it is among `answers`: name of a question → JSON.

    What cannot be read is left to the run, which says what is wrong with it.
    """
    if rollout.phase is not Phase.AWAITING_APPROVAL:
        return None
    asked = f"{rollout.id}-{max(rollout.asked)}"
    for name, told in answers.items():
        if name.rpartition("-")[0] == asked:
            with suppress(ValidationError):
                given = Answer.model_validate_json(told)
                if given.decision == "reject":
                    return given
    return None


def question(rollout: Rollout, stage: int, last: Decision | None, report: str) -> str:
    """Return what a person has to know to answer before `stage`, in Markdown: Prefect shows it above the form.

    `last` is the newest check, None when nothing has been seen under traffic; `report` is where the whole story stands.
    """
    stable, candidate = rollout.arms.stable.served_name, rollout.candidate.served_name
    passed = ", ".join(f"{each} %" for each in rollout.passed)
    told = f"has passed {passed} of traffic" if passed else "has had no traffic yet"
    shown = _evidence(last) if last else "Nothing of it has been seen under traffic yet."
    again = f"\nThis is its try number {try_words(rollout)}.\n" if rollout.attempt > 1 else ""
    return f"""**{rollout.model}: shall {candidate} get {stage} % of traffic?**

It {told}; {stable} serves the rest. Answer by {rollout.answer_by(stage):%Y-%m-%d %H:%M:%S UTC}: on a rejection, and
without an answer, all traffic goes back to {stable}.
{again}
{shown}

The whole story, with plots: `{report}`
"""


def try_words(rollout: Rollout) -> str:
    """Return which try of its candidate a rollout is, and what that means for the chance of a false verdict."""
    return f"{rollout.attempt}: evidence of those before does not count, and each has the plan's whole chance of error"


def _evidence(last: Decision) -> str:
    where = f" at {last.stage} %" if last.stage is not None else ""
    when = f", {last.at:%H:%M:%S UTC}" if last.at is not None else ""
    rows = [_row(metric) for metric in last.metrics]
    lines = [f"Last look{where}{when}: {last.verdict}", ""]
    if rows:
        head = ("| metric | stable | candidate | interval | held to | verdict |", "|---|---|---|---|---|---|")
        lines += [*head, *rows, ""]
    if not rows or last.verdict is not Verdict.PROMOTE:  # of a pass the reasons are the rows once more
        lines += [f"- {_cell(reason)}" for reason in last.reasons]
    return "\n".join(lines).rstrip()


def _row(metric: MetricVerdict) -> str:
    held_to, said = held(metric), meaning(metric)
    cells = (
        metric_name(metric.metric, metric.quantile),
        quantity(metric.stable, metric.unit),
        quantity(metric.candidate, metric.unit),
        f"{ends(metric)}{' (difference)' if metric.interval_of == 'difference' else ''}",
        held_to or "stable",
        metric.status.replace("_", " ") + ("" if said in {held_to, ""} else f": {said}"),
    )
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
