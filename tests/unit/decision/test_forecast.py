"""What a plan can answer in its time."""

import numpy as np
import pytest

from benchmarks.calibration.ours import PLAN, watch
from benchmarks.calibration.worlds import World
from firstflight.decision.forecast import forecast
from firstflight.domain.plans import CanaryPlan, Guardrail
from firstflight.workloads.market.guardrails import GUARDRAILS

DEFAULT = CanaryPlan(model="churn", guardrails=GUARDRAILS)


def test_the_default_plan_can_answer_at_20_requests_a_second() -> None:
    """Every stage proves every guardrail in 95 % of the cases, and nothing is said of profit."""
    stages = forecast(DEFAULT, 20)
    assert {"ok"} == {stage.verdict for stage in stages}
    assert {"not planned"} == {each.verdict for stage in stages for each in stage.guardrails if each.metric == "profit"}
    assert [5, 10, 25, 50, 75, 100] == [stage.percent for stage in stages]


def test_a_trickle_cannot_answer() -> None:
    """At one request in five seconds the first stages are impossible, the last is not."""
    stages = forecast(DEFAULT, 0.2)
    assert "impossible" == stages[0].verdict
    assert all(each.smallest_regression is None or each.smallest_regression > 0.05 for each in stages[0].guardrails)


def test_without_a_stable_arm_a_margin_has_nothing_to_prove() -> None:
    """At 100 % accuracy asks for no proof, and the note says why."""
    accuracy = forecast(DEFAULT, 20)[-1].guardrails[2]
    assert accuracy.proof_minutes is None
    assert "without a stable arm" in accuracy.note


@pytest.mark.parametrize(
    ("rate", "world"), [(0.02, World("2 %", candidate_errors=0.02)), (0.05, World("5 %", candidate_errors=0.05))]
)
def test_forecast_delays_are_those_of_simulated_rollouts(rate: float, world: World) -> None:
    """The median time to catch a fault lies within a third of 100 simulated ones."""
    plan = PLAN.model_copy(
        update={"warmup_seconds": 0.0, "guardrails": (Guardrail(metric="error_rate", limit=rate / 2),)}
    )
    expected = float(np.median([watch(world, seed, plan=plan).seconds for seed in range(100)])) / 60
    detection = forecast(plan, 20, {"error_rate": 0.001})[0].guardrails[0].detection_minutes
    assert detection is not None
    assert pytest.approx(expected, rel=0.34) == detection[0]


def test_a_block_counts_once_in_a_forecast() -> None:
    """Accuracy by blocks of 10 s is slow whatever the traffic; what outlasts a stage is said to."""
    by_blocks = Guardrail(metric="accuracy", direction="higher_is_better", margin=0.5, block_seconds=10)
    watched = Guardrail(metric="brier", margin=0.1, proves=False, block_seconds=86_400)
    plan = CanaryPlan(model="churn", guardrails=(by_blocks, watched))
    for rate in (20, 2000):
        accuracy, brier = forecast(plan, rate)[0].guardrails
        assert accuracy.proof_minutes is not None
        assert 3 < accuracy.proof_minutes[0] < 15
        assert ("", "ok") == (accuracy.warning, accuracy.verdict)
        assert "a block of 86,400 s does not close within a stage of 1,800 s" in brier.warning
    alone = forecast(CanaryPlan(model="churn", guardrails=(by_blocks.model_copy(update={"block_seconds": None}),)), 20)
    assert alone[-1].guardrails[0].proof_minutes is None
    tight = forecast(CanaryPlan(model="churn", guardrails=(by_blocks.model_copy(update={"margin": 0.05}),)), 20)
    assert "impossible" == tight[0].verdict


def test_a_limit_of_blocks_is_proven_without_a_stable_arm() -> None:
    """At 100 % the candidate's own blocks count, and harm is found by the limit too."""
    guardrail = Guardrail(metric="accuracy", direction="higher_is_better", limit=0.8, block_seconds=10)
    last = forecast(CanaryPlan(model="churn", guardrails=(guardrail,)), 20, {"accuracy": 0.95})[-1].guardrails[0]
    assert last.proof_minutes is not None
    assert last.detection_minutes is not None
    assert last.harmed_requests is None
