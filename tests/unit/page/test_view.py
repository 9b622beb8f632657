"""What is shown of a rollout follows from its records, and what is not known is said to be so."""

from datetime import timedelta

import pytest

from firstflight.acts.freeze import begin_freeze
from firstflight.acts.observe import canary_plan, check, recall
from firstflight.acts.start import resume_or_start
from firstflight.domain.samples import NoData
from firstflight.page.reading import Reading
from firstflight.page.view import RolloutView, share
from firstflight.rollout.approval import Answer
from firstflight.rollout.freeze import Freeze
from firstflight.rollout.machine import Phase, Rollout
from tests.unit.acts.twin import AB_TEST, Twin, begun, drive, in_first_stage
from tests.unit.page.conftest import waiting

NO = Answer(approver="ada", decision="reject", comment="not on a Friday")


def seen(twin: Twin, rollout: Rollout) -> RolloutView:
    """What the page shows of it now."""
    return Reading(twin.world.ledger).view(rollout.id)


def looked(twin: Twin, rollout: Rollout, times: int) -> None:
    """Look at it as its driver does."""
    plan = canary_plan(rollout)
    known = recall(twin.world, rollout, plan)
    for _ in range(times):
        twin.wait(2)
        _, _, known = check(twin.world, rollout, plan, known)


def test_what_nobody_has_looked_at_is_no_zero() -> None:
    """A rollout that has just begun shows reasons in place of figures, and what comes first."""
    twin = Twin()
    view = seen(twin, begun(twin))
    assert isinstance(view.traffic, NoData)
    assert isinstance(view.evidence, NoData)
    assert view.next is not None
    assert "lightweight-predictor-v2 gets 10 % of traffic" == view.next.what
    assert [("to come", 10), ("to come", 50), ("to come", 100)] == [(one.state, one.percent) for one in view.steps]


def test_a_stage_is_told_with_what_it_waits_for() -> None:
    """When it is looked at next, what is to be proven yet, and when time is up; who got how many requests."""
    twin = Twin()
    rollout = in_first_stage(twin)
    looked(twin, rollout, 3)
    view = seen(twin, rollout)
    assert (Phase.OBSERVING, 3, "now") == (view.rollout.phase, view.checks, view.steps[0].state)
    assert view.next is not None
    assert view.last is not None
    assert view.last.at + timedelta(seconds=10) == view.next.when
    assert "error rate within its limit of 1 %, latency within its limit of 200 ms" in view.next.why
    assert "; then 50 %." in view.next.why
    assert not isinstance(view.traffic, NoData)
    assert [("stable", 90), ("candidate", 10)] == [(one.role, one.weight) for one in view.traffic.arms]
    assert sum(one.requests or 0 for one in view.traffic.arms) == view.traffic.seen > 0
    assert not isinstance(view.evidence, NoData)
    first = view.evidence[0]
    assert "error_rate" == first.row.metric
    assert first.proof is not None
    assert 0 < first.proof < 1
    assert (3, 2) == (len(first.harm_line.split()), len(first.proof_line.split()))  # of one request nothing is proven


def test_a_question_has_its_deadline() -> None:
    """Which stage, until when; the step is marked, and silence has a consequence."""
    twin = Twin()
    rollout = waiting(twin)
    view = seen(twin, rollout)
    assert view.question is not None
    assert view.next is not None
    assert (50, rollout.answer_by(50)) == (view.question.stage, view.question.by)
    assert view.question.by == view.next.when
    assert ["passed", "asked", "to come"] == [one.state for one in view.steps]
    assert "A person is asked whether lightweight-predictor-v2 gets 50 % of traffic." == view.summary


def test_a_rollout_that_was_rejected_asks_nothing_more() -> None:
    """What was not reached is said; the answer stands beside its question."""
    twin = Twin()
    ended = drive(twin.world, waiting(twin), NO)
    view = seen(twin, ended)
    assert (None, None, "bad") == (view.question, view.next, view.tone)
    assert ["passed", "not reached", "not reached"] == [one.state for one in view.steps]
    assert ("ada rejected: not on a Friday",) == view.reasons
    assert not isinstance(view.approvals, NoData)
    assert view.approvals is not None
    assert [("ada", "reject")] == [(one.approver, one.decision) for one in view.approvals]


def test_a_rollout_tells_nothing_of_the_one_before_it() -> None:
    """They share a stream, and may share a second."""
    twin = Twin()
    drive(twin.world, waiting(twin), NO)
    second = begun(twin, "run-2")
    whats = [event.what for event in seen(twin, second).timeline]
    assert [f"canary {second.id} started: lightweight-predictor-v3 against baseline-predictor-v1"] == whats


def test_a_test_tells_how_many_requests_are_in_and_what_it_found() -> None:
    """No stages; its comparison once it has ended."""
    twin = Twin()
    twin.champion()
    twin.candidate()
    view = seen(twin, drive(twin.world, resume_or_start(twin.world, AB_TEST, run="run-1")))
    assert (Phase.COMPARED, ()) == (view.rollout.phase, view.steps)
    assert view.comparison is not None
    assert view.summary.startswith(f"Compared on live traffic: {view.comparison.headline}.")


def test_a_freeze_is_shown_while_it_holds() -> None:
    """On the page of what it keeps waiting."""
    twin = Twin()
    rollout = in_first_stage(twin)
    begin_freeze(twin.world.ledger, freeze := Freeze(by="ada", reason="quarter end", since=twin.world.now()))
    assert freeze == seen(twin, rollout).freeze


@pytest.mark.parametrize(("log_e", "expected"), [(None, None), (-3.0, 0.0), (2.0, 0.5), (4.0, 1.0), (400.0, 1.25)])
def test_evidence_is_a_share_of_its_threshold(log_e: float | None, expected: float | None) -> None:
    """None is no zero; what goes further than the picture ends at its edge."""
    assert expected == share(log_e, 4.0)
