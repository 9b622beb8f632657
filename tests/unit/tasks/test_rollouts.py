"""Asking a person: what is done before the run suspends, and that an answer waits for none of it."""

from typing import Any

import pytest

from firstflight.acts.start import resume_or_start
from firstflight.rollout.approval import Answer
from tasks import rollouts
from tests.unit.acts.twin import PLAN, Twin, drive


@pytest.mark.parametrize("answered", [False, True])
def test_only_a_question_that_is_open_makes_a_report(
    twin: Twin, monkeypatch: pytest.MonkeyPatch, *, answered: bool
) -> None:
    """A run that goes on with its answer goes on at once; one that asks has written what there is to know."""
    plan = PLAN.model_copy(update={"candidate": twin.candidate().number, "approvals": (50,), "approval_seconds": 300})
    rollout = drive(twin.world, resume_or_start(twin.world, plan, run="run"))
    done: list[Any] = []

    def suspended(*, wait_for_input: type[rollouts.AnswerForm], key: str, timeout: int) -> rollouts.AnswerForm:
        told = wait_for_input._description
        done.append((key, told if isinstance(told, str) else None, timeout > 0))  # as Prefect reads it
        return rollouts.AnswerForm(approver="ada", decision="approve", comment="fine")

    monkeypatch.setattr(rollouts, "suspend_flow_run", suspended)
    monkeypatch.setattr(rollouts, "read_flow_run_input", lambda key: {"key": key} if answered else None)
    monkeypatch.setattr(rollouts, "write_report", lambda *_, **__: done.append("report"))
    monkeypatch.setattr(rollouts.InTasks, "do", lambda *_: "the evidence")
    assert Answer(approver="ada", decision="approve", comment="fine") == rollouts.InTasks().answer(rollout, 50)
    asked = f"{rollout.id}-50-0"
    assert ([(asked, None, True)] if answered else ["report", (asked, "the evidence", True)]) == done
