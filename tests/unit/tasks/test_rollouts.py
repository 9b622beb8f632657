"""Asking a person: what is done before the run suspends, and that an answer waits for none of it."""

import signal
from datetime import timedelta
from typing import Any

import pytest
from prefect.exceptions import Pause, TerminationSignal
from prefect.input import keyset_from_base_key, run_input
from prefect.states import Suspended

from firstflight.acts.start import resume_or_start
from firstflight.rollout.approval import Answer
from firstflight.rollout.machine import Rollout
from tasks import rollouts
from tests.unit.acts.twin import MODEL, PLAN, Twin, drive, in_first_stage

Inputs = dict[str, Any]


@pytest.fixture
def inputs(monkeypatch: pytest.MonkeyPatch) -> Inputs:
    """What Prefect holds for the run; like its server it takes a key once."""
    held: Inputs = {}

    def create(key: str, value: Any, **_: object) -> None:
        assert key not in held
        held[key] = value

    monkeypatch.setattr(run_input, "create_flow_run_input", create)
    monkeypatch.setattr(rollouts, "read_flow_run_input", lambda key, **_: held.get(key))
    return held


def told_to_end(rollout: Rollout) -> None:
    """Send the process that drives `rollout` SIGTERM, as Prefect shows it."""
    with rollouts.handed_over(rollout):
        raise TerminationSignal(signal.SIGTERM)


@pytest.mark.parametrize(("then", "seconds"), [("reschedule", 150), ("relinquish", 150), ("crash", 30)])
def test_sigterm_hands_over_where_the_run_goes_on_elsewhere(
    twin: Twin, monkeypatch: pytest.MonkeyPatch, then: str, seconds: float
) -> None:
    """A drain leaves time for the new pod; a local run that is ended has crashed, and its hook brings it home."""
    rollout = in_first_stage(twin)
    monkeypatch.setenv("PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR", then)
    monkeypatch.setattr(rollouts, "open_world", lambda _settings: twin.world)
    with pytest.raises(TerminationSignal):
        told_to_end(rollout)
    assert seconds == twin.leases.all[MODEL].seconds


def test_a_run_that_a_person_suspends_is_held_for_the_time_they_gave(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Prefect tells it where the next task would begin, with the moment until which the run may wait."""
    rollout = in_first_stage(twin)
    monkeypatch.setattr(rollouts, "open_world", lambda _settings: twin.world)
    until = twin.world.now() + timedelta(seconds=60)
    state = Suspended(pause_expiration_time=until)
    with pytest.raises(Pause), rollouts.handed_over(rollout):
        raise Pause(state=state)
    assert 90 == pytest.approx(twin.leases.all[MODEL].seconds, abs=0.001)


@pytest.mark.parametrize("before", [(), ("response",), ("schema",)])
def test_only_a_question_that_is_open_makes_a_report(
    twin: Twin, monkeypatch: pytest.MonkeyPatch, inputs: Inputs, before: tuple[str, ...]
) -> None:
    """A run that goes on with its answer goes on at once; one that asks can be answered once it is seen to wait."""
    plan = PLAN.model_copy(update={"candidate": twin.candidate().number, "approvals": (50,), "approval_seconds": 300})
    rollout = drive(twin.world, resume_or_start(twin.world, plan, run="run"))
    asked = f"suspended-{rollout.id}-50-0"
    inputs.update({f"{asked}-{kind}": {"left by": "a process that was killed"} for kind in before})
    done: list[Any] = []

    def suspended(*, wait_for_input: type[rollouts.AnswerForm], key: str, timeout: int) -> rollouts.AnswerForm:
        assert timeout > 0
        done.append((key, f"{asked}-schema" in inputs, inputs.get(f"{asked}-description")))
        wait_for_input.save(keyset_from_base_key(f"suspended-{key}"))  # as Prefect does, when the run waits already
        return rollouts.AnswerForm(approver="ada", decision="approve", comment="fine")

    monkeypatch.setattr(rollouts, "suspend_flow_run", suspended)
    monkeypatch.setattr(rollouts, "write_report", lambda *_, **__: done.append("report"))
    monkeypatch.setattr(rollouts.InTasks, "do", lambda *_: "the evidence")
    assert Answer(approver="ada", decision="approve", comment="fine") == rollouts.InTasks().answer(rollout, 50)
    told = None if before else "the evidence"
    assert [*([] if "response" in before else ["report"]), (f"{rollout.id}-50-0", True, told)] == done
