"""The rollout as a pure state machine."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstflight.domain.plans import ABTestPlan, CanaryPlan
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.versions import ModelVersion
from firstflight.ledger.record import Record
from firstflight.rollout.machine import (
    Act,
    Arms,
    AwaitApproval,
    Conclude,
    EnterStage,
    Observe,
    Phase,
    Promote,
    RollBack,
    Rollout,
    follow,
    next_act,
    rollouts,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = CanaryPlan(model="m", stages=(5, 50, 100), approvals=(50,))


def version(number: int, variant: str) -> ModelVersion:
    """A version with a digest of its own."""
    return ModelVersion(model="m", variant=variant, number=number, digest=f"sha256:{number:064x}")


ARMS = Arms(stable=version(1, "baseline"), candidates=(version(2, "lightweight"),))


def record(number: int, kind: str, body: dict[str, Any], actor: str = "run-1") -> Record:
    """One record of the model's stream."""
    return Record(
        stream="rollout/m", number=number, at=NOW + timedelta(seconds=number), kind=kind, actor=actor, body=body
    )


def started(plan: CanaryPlan | ABTestPlan = PLAN, arms: Arms = ARMS, number: int = 1) -> Record:
    """The record that begins a rollout."""
    activity = "ab_test" if isinstance(plan, ABTestPlan) else "canary"
    body = {"rollout": f"m-r{number}", "activity": activity, "run": "run-1", "plan": plan.model_dump(mode="json")}
    return record(number, "rollout.started", {**body, "arms": arms.model_dump(mode="json")})


def perform(rollout: Rollout, act: Act, answer: str = "approve", verdict: str = "PROMOTE") -> Rollout:
    """Write what a driver writes when it does `act`."""
    split = rollout.home.model_dump(mode="json")
    stage = getattr(act, "stage", None)
    kinds: list[tuple[str, dict[str, Any]]]
    match act:
        case EnterStage():
            split = rollout.split_at(act.stage).model_dump(mode="json")
            kinds = [("stage.intended", {"stage": stage}), ("stage.entered", {"stage": stage, "split": split})]
        case Observe() if verdict == "PROMOTE":
            kinds = [("stage.passed", {"stage": stage, "reasons": ["good"]})]
        case Observe():
            kinds = [("rollback.intended", {"trigger": verdict, "reasons": ["bad"]})]
        case AwaitApproval():
            reply = {"stage": stage, "approver": "ada", "decision": answer, "comment": "because"}
            kinds = [("approval.asked", {"stage": stage}), ("approval.answered", reply)]
        case Promote():
            kinds = [("promotion.intended", {}), ("rollout.promoted", {"split": split})]
        case Conclude():
            kinds = [("rollout.compared", {"split": split})]
        case RollBack():
            kinds = [("rollout.rolled_back", {"split": split})]
    for kind, body in kinds:
        rollout = follow(rollout, record(rollout.head + 1, kind, body))
    return rollout


def test_a_healthy_canary_climbs_every_stage_and_asks_where_the_plan_says() -> None:
    """The acts of a rollout where everything is fine, in order."""
    rollout = Rollout.started(started())
    acts = []
    while (act := next_act(rollout)) is not None:
        acts.append(act)
        rollout = perform(rollout, act)
    expected = [
        EnterStage(stage=5), Observe(stage=5),
        AwaitApproval(stage=50), EnterStage(stage=50), Observe(stage=50),
        EnterStage(stage=100), Observe(stage=100), Promote(),
    ]  # fmt: skip
    assert expected == acts
    assert rollout.phase is Phase.PROMOTED


def test_an_ab_test_ends_at_its_control() -> None:
    """One split, one comparison, and traffic goes back."""
    plan = ABTestPlan(model="m", weights={"baseline": 80, "lightweight": 20}, control="baseline", shadow=None)
    weights = {"lightweight-predictor-v2": 20, "baseline-predictor-v1": 80}
    rollout = Rollout.started(started(plan, ARMS.model_copy(update={"weights": weights})))
    assert TrafficSplit(stable="baseline-predictor-v1", weights=weights) == rollout.split_at(20)
    for act in (EnterStage(stage=20), Observe(stage=20), Conclude()):
        assert act == next_act(rollout)
        rollout = perform(rollout, act)
    assert rollout.phase is Phase.COMPARED


@pytest.mark.parametrize("verdict", ["ROLL_BACK", "INCONCLUSIVE"])
def test_harm_and_doubt_both_lead_home(verdict: str) -> None:
    """Whatever is not a promotion ends at the stable model, with the reasons kept."""
    rollout = perform(perform(Rollout.started(started()), EnterStage(stage=5)), Observe(stage=5), verdict=verdict)
    assert RollBack(reasons=("bad",)) == next_act(rollout)
    rollout = perform(rollout, RollBack(reasons=("bad",)))
    assert Phase.ROLLED_BACK is rollout.phase
    assert next_act(rollout) is None


def test_a_rejection_names_who_rejected() -> None:
    """The reason of the rollback is the person's."""
    rollout = perform(perform(Rollout.started(started()), EnterStage(stage=5)), Observe(stage=5))
    rollout = perform(rollout, AwaitApproval(stage=50), answer="reject")
    assert RollBack(reasons=("ada rejected: because",)) == next_act(rollout)


def test_the_deadline_counts_from_the_question() -> None:
    """A resumed run has the time that is left, not all of it again."""
    rollout = perform(perform(Rollout.started(started()), EnterStage(stage=5)), Observe(stage=5))
    rollout = follow(rollout, asked := record(rollout.head + 1, "approval.asked", {"stage": 50}))
    assert asked.at + timedelta(seconds=PLAN.approval_seconds) == rollout.answer_by(50)


def test_a_stream_tells_every_rollout_of_the_model() -> None:
    """Rollouts follow each other; records before the first belong to none."""
    first = [record(1, "champion.first", {}), started(number=2), record(3, "rollback.intended", {"reasons": ["x"]})]
    home = {"split": TrafficSplit.all_to("baseline-predictor-v1").model_dump(mode="json")}
    told = rollouts([*first, record(4, "rollout.rolled_back", home), started(number=5)])
    assert [("m-r2", Phase.ROLLED_BACK), ("m-r5", Phase.STARTED)] == [(one.id, one.phase) for one in told]


def test_a_takeover_gives_a_newer_token() -> None:
    """The fencing token is the number of the record that took over, so it only grows."""
    rollout = Rollout.started(started())
    taken = follow(rollout, record(7, "driver.attached", {"before": "run-1"}, actor="ada"))
    assert (7, "ada", "run-1") == (taken.token, taken.driver, taken.run)


@given(
    st.lists(st.integers(1, 99), unique=True, max_size=5).map(lambda found: (*sorted(found), 100)),
    st.data(),
)
def test_no_path_skips_or_doubles_a_stage_or_passes_without_approval(
    stages: tuple[int, ...], data: st.DataObject
) -> None:
    """Under any verdicts, answers, crashes and repeats the invariants of a rollout hold, and it ends."""
    approvals = tuple(data.draw(st.lists(st.sampled_from(stages), unique=True)))
    rollout = Rollout.started(started(CanaryPlan(model="m", stages=stages, approvals=approvals)))
    entered: list[int] = []
    for _ in range(6 * len(stages) + 6):
        act = next_act(rollout)
        if act is None:
            break
        if data.draw(st.booleans(), label="crash and take over"):
            rollout = follow(rollout, record(rollout.head + 1, "driver.attached", {"before": rollout.driver}))
            assert act == next_act(rollout)
        if isinstance(act, EnterStage):
            assert stages[: len(entered)] == rollout.passed
            assert act.stage == stages[len(entered)]
            assert act.stage not in approvals or act.stage in rollout.approved
            entered.append(act.stage)
        if isinstance(act, Promote):
            assert stages == rollout.passed
        answer = data.draw(st.sampled_from(["approve", "reject"]))
        verdict = data.draw(st.sampled_from(["PROMOTE", "PROMOTE", "ROLL_BACK"]))
        rollout = perform(rollout, act, answer, verdict)
    assert rollout.final
    assert sorted(set(entered)) == entered


@given(
    st.lists(
        st.sampled_from(
            ["stage.intended", "approval.answered", "promotion.intended", "driver.attached", "check", "notice.sent"]
        )
    )
)
def test_a_final_rollout_stays_final(kinds: list[str]) -> None:
    """No late record moves a rollout that has ended; only its head follows the stream."""
    ended = perform(Rollout.started(started()), RollBack(reasons=()))
    after = ended
    for kind in kinds:
        after = follow(after, record(after.head + 1, kind, {"stage": 50, "decision": "approve"}))
    assert ended.model_copy(update={"head": after.head}) == after
