"""What a report tells of how stages were decided, from the records of whole rollouts."""

from dataclasses import replace

import pytest

from firstflight.acts.enter_stage import enter_stage
from firstflight.acts.homecoming import bring_model_home
from firstflight.acts.ledger_view import checks
from firstflight.acts.observe import observe
from firstflight.acts.report_decisions import approvals, decisions
from firstflight.acts.start import resume_or_start
from firstflight.decision.verdicts import Verdict
from firstflight.domain.samples import NoData
from firstflight.rollout.machine import Rollout, stream
from tests.unit.acts.twin import MODEL, PLAN, Twin, drive


def ended_by_a_person(twin: Twin, rollout: Rollout) -> Rollout:
    """The same, brought home."""
    ended = bring_model_home(twin.world, MODEL, actor="ada", reason="stop").rollout
    assert ended is not None
    assert ended.id == rollout.id
    return ended


def test_a_stage_that_a_person_ended_was_not_decided(twin: Twin) -> None:
    """Every look so far said to go on: there is no decision to tell, and the report is written all the same."""
    twin.champion()
    plan = PLAN.model_copy(update={"candidate": twin.candidate().number, "min_stage_seconds": 300.0})
    rollout = enter_stage(twin.world, resume_or_start(twin.world, plan, run="run-1"), 10)

    class Stopped(Exception):  # noqa: N818 - somebody else acts here
        """The driver is left alone with its looks."""

    def stop(seconds: float) -> None:
        twin.wait(seconds)
        if len(checks(twin.world.ledger, rollout)) > 2:
            raise Stopped

    with pytest.raises(Stopped):
        observe(replace(twin.world, wait=stop), rollout)
    assert {Verdict.CONTINUE} == {decision.verdict for _, decision in checks(twin.world.ledger, rollout)}
    ended = ended_by_a_person(twin, rollout)
    assert NoData(reason="No stage was decided.") == decisions(twin.world.ledger, (ended,))


def test_a_question_that_somebody_overtook_is_not_called_late(twin: Twin) -> None:
    """It was brought home minutes before anybody had to answer."""
    twin.champion()
    plan = PLAN.model_copy(update={"candidate": twin.candidate().number, "approvals": (50,), "approval_seconds": 300})
    waiting = drive(twin.world, resume_or_start(twin.world, plan, run="run-1"))
    ended = ended_by_a_person(twin, waiting)
    found = approvals(twin.world.ledger.read(stream(MODEL)), ended)
    assert isinstance(found, tuple)
    assert ["overtaken"] == [one.decision for one in found]
