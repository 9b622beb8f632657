"""Give a person's answer to the run that waits for it, from a terminal or from the rollout's page."""

import time

from firstflight.acts.ledger_view import history, models, open_rollouts
from firstflight.domain.errors import ApprovalRefusedError
from firstflight.ledger.record import RecordStore
from firstflight.orchestrator import Orchestrator
from firstflight.rollout.approval import Answer
from firstflight.rollout.machine import AwaitApproval, Rollout, next_act

_SUSPENDS_SECONDS, _POLL_SECONDS = 30.0, 0.25


def give(
    ledger: RecordStore, orchestrator: Orchestrator, word: str, answer: Answer, *, about: int | None = None
) -> tuple[Rollout, int]:
    """Answer the rollout that `word` names, and return it with the stage it asked about.

    Args:
        ledger: Where the question stands; StoreUnavailableError when it is away, and then nothing was answered.
        orchestrator: Whose run takes the answer.
        word: The run, the model, the rollout's own id, or `latest`.
        answer: Who said what, and why.
        about: The stage that was before the person's eyes; None when they were shown none.

    Raises:
        ApprovalRefusedError: Nothing is asked, something else is asked by now, or Prefect does not take it.
    """
    rollout, stage = asked(ledger, word)
    if about not in {None, stage}:
        raise ApprovalRefusedError(f"{rollout.id} asks about {stage} % by now, no longer about {about} %: look again")
    _await_question(orchestrator, rollout.driver)
    orchestrator.resume(rollout.driver, answer.model_dump(include=set(Answer.model_fields)))
    return rollout, stage


def question_of(rollout: Rollout) -> int | None:
    """Return the stage that `rollout` asks a person about now, None when it asks nobody."""
    act = next_act(rollout)
    return act.stage if isinstance(act, AwaitApproval) and act.stage in rollout.asked else None


def asked(ledger: RecordStore, word: str) -> tuple[Rollout, int]:
    """Return the rollout that asks a person, named by run, model, its own id or `latest`, and the stage it asks of."""
    asking = [(one, stage) for one in open_rollouts(ledger) if (stage := question_of(one)) is not None]
    asking.sort(key=lambda one: one[0].asked[one[1]])
    named = [one for one in asking if word in {"latest", one[0].driver, one[0].model, one[0].id}]
    if named:
        return named[-1]
    told = [one for model in models(ledger) for one in history(ledger, model)]
    ended = [one for one in told if word in {one.id, one.run, one.driver, one.model}][-1:]
    became = "".join(f"; {rollout.id} is {rollout.phase} and asks nothing" for rollout in ended)
    listed = (
        ", ".join(f"{rollout.model} before {stage} % (run {rollout.driver})" for rollout, stage in asking) or "none"
    )
    raise ApprovalRefusedError(f"{word!r} waits for no answer{became}; what does: {listed}")


def _await_question(orchestrator: Orchestrator, run: str) -> None:
    """Return once the run takes an answer, or will take none: people are told a moment before its process has ended."""
    deadline = time.monotonic() + _SUSPENDS_SECONDS
    while not ((found := orchestrator.run(run)).suspended or found.final) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
