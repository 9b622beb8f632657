"""An A/B test from start to end, on a world in memory with a clock of its own."""

import contextlib
import itertools
from dataclasses import replace

from firstflight.acts.compare import compare_variants, comparison_in
from firstflight.acts.enter_stage import enter_stage, pass_stage
from firstflight.acts.ledger_view import checks
from firstflight.acts.promote import conclude
from firstflight.acts.start import resume_or_start
from firstflight.decision.decide import Verdict
from firstflight.domain.plans import ABTestPlan
from firstflight.domain.traffic import TrafficSplit
from firstflight.rollout.machine import EnterStage, Phase, Rollout, next_act
from tests.unit.acts.twin import AB_TEST, MODEL, Twin


def begun(twin: Twin, plan: ABTestPlan = AB_TEST) -> Rollout:
    """The test's split in force."""
    twin.champion()
    for variant in plan.weights:
        if variant != plan.control:
            twin.candidate(variant)
    rollout = resume_or_start(twin.world, plan, run="run-1")
    act = next_act(rollout)
    assert isinstance(act, EnterStage)
    return enter_stage(twin.world, rollout, act.stage)


def test_it_runs_its_planned_length_and_goes_back_to_its_control(twin: Twin) -> None:
    """The comparison is recorded, whatever it found, and the control has all traffic again."""
    rollout = begun(twin)
    decision = compare_variants(twin.world, rollout)
    assert Verdict.PROMOTE is decision.verdict
    found = comparison_in(twin.world.ledger, rollout)
    assert found is not None
    assert found.assigned_requests >= AB_TEST.requests
    ended = conclude(twin.world, pass_stage(twin.world, rollout, decision.reasons))
    assert Phase.COMPARED is ended.phase
    assert TrafficSplit.all_to("baseline-predictor-v1") == twin.world.backend.get_traffic(MODEL)


def test_harm_ends_it_at_once(twin: Twin) -> None:
    """Nobody waits for the planned number of requests while users are harmed."""
    twin.clients.failing["lightweight-predictor-v2"] = 0.5
    rollout = begun(twin)
    decision = compare_variants(twin.world, rollout)
    assert Verdict.ROLL_BACK is decision.verdict
    seen = sum(sum(look.assignments.values()) for look, _ in checks(twin.world.ledger, rollout))
    assert seen < AB_TEST.requests
    assert comparison_in(twin.world.ledger, rollout) is None


def test_harm_is_certain_at_the_level_of_the_plan(twin: Twin) -> None:
    """Half of the plan's chance of a false alarm is twice the evidence that is needed."""
    twin.clients.failing["lightweight-predictor-v2"] = 0.5
    decision = compare_variants(twin.world, begun(twin, AB_TEST.model_copy(update={"alpha": 0.001})))
    assert Verdict.ROLL_BACK is decision.verdict
    assert "1,000 to 1 needed" in decision.reasons[0]


def test_variants_share_the_level_of_the_plan(twin: Twin) -> None:
    """Whoever watches two of them has two chances of a false alarm."""
    weights = {"baseline": 60, "lightweight": 20, "enhanced": 20}
    twin.clients.failing["enhanced-predictor-v3"] = 0.5
    decision = compare_variants(
        twin.world, begun(twin, AB_TEST.model_copy(update={"alpha": 0.001, "weights": weights}))
    )
    assert "2,000 to 1 needed" in decision.reasons[0]


def test_without_traffic_it_concludes_nothing(twin: Twin) -> None:
    """Past its longest time it says how few requests it saw, and asks whether there is traffic."""
    twin.clients.rate = 0
    decision = compare_variants(twin.world, begun(twin))
    assert Verdict.INCONCLUSIVE is decision.verdict
    assert "0 of 1,000 planned requests seen" in decision.reasons[0]


def test_a_restarted_test_counts_what_it_had_seen(twin: Twin) -> None:
    """The looks are in the ledger: another process goes on from them and sees no request twice."""
    rollout = begun(twin)

    class Died(Exception):  # noqa: N818 - a process that is killed
        """The first process ends here."""

    def die(_look: object, _decision: object) -> None:
        raise Died

    with contextlib.suppress(Died):
        compare_variants(replace(twin.world, show=die), rollout)
    compare_variants(twin.world, rollout)
    looks = [look for look, _ in checks(twin.world.ledger, rollout)]
    assert all(a.window.until <= b.window.since for a, b in itertools.pairwise(looks))
    found = comparison_in(twin.world.ledger, rollout)
    assert found is not None
    assert sum(sum(look.assignments.values()) for look in looks) == found.assigned_requests
