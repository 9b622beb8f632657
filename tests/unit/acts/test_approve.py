"""Questions and answers: what a person is told, and a no is home before its run is."""

from typing import Any

from firstflight.acts.approve import question, reject
from firstflight.acts.close_runs import close_runs
from firstflight.acts.homecoming import bring_model_home
from firstflight.acts.ledger_view import reread
from firstflight.acts.start import resume_or_start
from firstflight.decision.verdicts import Decision, MetricVerdict, Verdict
from firstflight.orchestrator import FlowRun
from firstflight.rollout import approval
from firstflight.rollout.approval import Answer
from firstflight.rollout.machine import Phase, Rollout, stream
from tests.unit.acts.twin import MODEL, PLAN, Twin, drive

RUN = "5f3c9a52-9a3f-4d35-9f61-8f8f5a3b5a11"
NO = Answer(approver="ada", decision="reject", comment="not on a Friday")


def waiting(twin: Twin) -> Rollout:
    """A rollout whose run is suspended before its second stage."""
    twin.champion()
    plan = PLAN.model_copy(update={"candidate": twin.candidate().number, "approvals": (50,), "approval_seconds": 300})
    return drive(twin.world, resume_or_start(twin.world, plan, run=RUN))


class Suspended:
    """One suspended run, and what it was told at its end."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def suspended(self) -> tuple[FlowRun, ...]:
        """The run, until it is ended."""
        run = {"id": RUN, "name": "blue-crow", "state_type": "PAUSED", "state_name": "Suspended", "message": ""}
        return () if self.said else (FlowRun.model_validate(run),)

    def close(self, run: Any, message: str) -> None:
        """Keep it."""
        assert RUN == str(run)
        self.said.append(message)


def test_whoever_is_asked_is_shown_what_there_is_to_know(twin: Twin) -> None:
    """Which model, which stage, by when, the newest look as a table, and where the report is."""
    rollout = waiting(twin)
    told = question(twin.world, rollout, 50, "/home/reports/r1.html")
    by = f"{rollout.answer_by(50):%Y-%m-%d %H:%M:%S UTC}"
    stable, candidate = rollout.arms.stable.served_name, rollout.candidate.served_name
    assert told.startswith(f"**{MODEL}: shall {candidate} get 50 % of traffic?**")
    assert f"It has passed 10 % of traffic; {stable} serves the rest. Answer by {by}" in told
    assert "Last look at 10 %" in told
    head = "| metric | stable | candidate | interval | held to | verdict |\n|---|---|---|---|---|---|\n"
    assert f"{head}| error rate | 0 %" in told
    assert "| limit 1 % | proven: within its limit of 1 % |" in told
    assert "`/home/reports/r1.html`" in told


def test_a_question_before_any_traffic_says_that_nothing_was_seen(twin: Twin) -> None:
    """No look is no table of zeros."""
    rollout = waiting(twin)
    first = rollout.model_copy(update={"passed": ()})
    told = approval.question(first, 50, None, "r1.html")
    assert "has had no traffic yet" in told
    assert "Nothing of it has been seen under traffic yet." in told
    assert "|" not in told


def test_a_bar_in_a_name_splits_no_cell(twin: Twin) -> None:
    """Whoever names metrics and writes notes is not asked to know Markdown."""
    row = MetricVerdict(
        metric="a|b", status="invalid", note="no\nunit", log_threshold_rollback=4.4, log_threshold_promote=3.0
    )
    decision = Decision(verdict=Verdict.CONTINUE, reasons=("a|b cannot be judged",), metrics=(row,))
    told = approval.question(waiting(twin), 50, decision, "r1.html")
    assert r"| a\|b | – | – | not bounded yet | stable | invalid: no unit |" in told


def test_a_no_is_home_at_once_in_the_name_of_who_said_it(twin: Twin) -> None:
    """No process of the run is needed; when the run goes on it finds its rollout ended."""
    rollout = waiting(twin)
    ended = reject(twin.world, rollout, NO)
    assert (Phase.ROLLED_BACK, ("ada rejected: not on a Friday",)) == (ended.phase, ended.reasons)
    assert rollout.home == twin.world.backend.get_traffic(MODEL)
    records = twin.world.ledger.read(stream(MODEL), after=rollout.head)
    assert {"ada"} == {record.actor for record in records}
    assert "approval.answered" in [record.kind for record in records]
    assert ended == resume_or_start(twin.world, rollout.plan, run=RUN)
    assert {} == twin.world.leases.held()


def test_a_no_to_what_was_moved_meanwhile_is_home_too(twin: Twin) -> None:
    """A yes came first, at the same moment: the no is the safe one."""
    rollout = waiting(twin)
    resume_or_start(twin.world, rollout.plan, run=RUN)
    assert Phase.ROLLED_BACK is reject(twin.world, rollout, NO).phase
    assert rollout.home == twin.world.backend.get_traffic(MODEL)


def test_a_run_whose_rollout_has_ended_waits_no_more(twin: Twin) -> None:
    """Its page offers no Resume, and says what became of the rollout and by whom; once."""
    rollout, runs = waiting(twin), Suspended()
    assert () == close_runs(twin.world.ledger, runs)
    bring_model_home(twin.world, MODEL, actor="guard", reason="half of its requests failed")
    [said] = close_runs(twin.world.ledger, runs)
    assert f"{rollout.id} is rolled back, ended by guard: half of its requests failed" == said
    assert [said] == runs.said
    assert () == close_runs(twin.world.ledger, runs)


def test_a_run_of_which_the_ledger_knows_nothing_is_left_alone(twin: Twin) -> None:
    """Another flow that was paused by somebody, or another ledger's."""
    runs = Suspended()
    assert () == close_runs(twin.world.ledger, runs)
    assert [] == runs.said


def test_the_rollout_is_as_its_records_tell(twin: Twin) -> None:
    """What a no returns is what anybody reads afterwards."""
    rollout = waiting(twin)
    assert reject(twin.world, rollout, NO) == reread(twin.world.ledger, rollout)
