"""Whatever plan is accepted can be judged, guarded and rolled back; one that is not harms nobody else's rollout."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmarks.faults.twin import MODEL, Twin
from firstflight.acts.approve import ask
from firstflight.acts.compare import compare_variants
from firstflight.acts.enter_stage import enter_stage
from firstflight.acts.homecoming import bring_model_home
from firstflight.acts.lease import renew_lease
from firstflight.acts.ledger_view import append, current
from firstflight.acts.observe import check, recall
from firstflight.acts.start import resume_or_start
from firstflight.decision.forecast import forecast
from firstflight.domain.errors import InvalidPlanError
from firstflight.domain.plans import RECORDED, ABTestPlan, CanaryPlan
from firstflight.guard.guard import Guard
from firstflight.rollout.machine import Phase
from firstflight.workloads.find import filled
from firstflight.workloads.market import guardrails

FEW = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])

WILD = st.sampled_from([0.0, 5e-324, 1e-300, 1e-12, 1.0, 1e9, 1e15, 1e300])
"""What no plan should mean; each kind of number is such a one now and then, else at the edge of what is allowed."""


def _edges(*values: float) -> st.SearchStrategy[float]:
    low, high = min(values), max(values)
    return st.one_of(st.sampled_from(values), st.sampled_from(values), st.floats(low, high), st.floats(low, high), WILD)


SECONDS = _edges(0.1, 1.0, 30.0, 1799.0, 1800.0, 1e5, 2_592_000.0)
CHANCES = _edges(1e-9, 1e-6, 0.01, 0.05, 0.4999, 0.5)
NUMBERS = _edges(-1e12, -1.0, 1e-9, 0.5, 1.0, 200.0, 1e12)
MARGINS = _edges(1e-9, 1e-3, 0.5, 0.999)
SHARES = _edges(0.001, 1.0, 1000.0)


def _some(required: dict[str, st.SearchStrategy[Any]], optional: dict[str, st.SearchStrategy[Any]]) -> Any:
    """Bodies with at most three values that are not the defaults: more are hardly ever accepted."""
    names = st.lists(st.sampled_from(sorted(optional)), max_size=3, unique=True)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({**required, **{n: optional[n] for n in chosen}}))


GUARDRAILS = st.lists(
    st.one_of(
        _some(
            {"metric": st.sampled_from(["error_rate", "timeout_rate"]), "limit": _edges(1e-8, 0.01, 0.5, 0.9999)},
            {"margin": MARGINS, "tolerance": MARGINS, "proves": st.just(False), "share": SHARES},
        ),
        _some(
            {"metric": st.just("latency"), "limit": _edges(1e-3, 200.0, 1e12), "quantile": _edges(1e-9, 0.95, 0.99999)},
            {"margin": NUMBERS, "tolerance": _edges(0, 1e3, 1e12), "proves": st.just(False), "share": SHARES},
        ),
        _some(
            {
                "metric": st.sampled_from(["accuracy", "brier", "profit", "x" * 63]),
                "direction": st.sampled_from(["lower_is_better", "higher_is_better"]),
                "margin": MARGINS,
            },
            {
                "limit": NUMBERS,
                "tolerance": MARGINS,
                "share": SHARES,
                "bounds": st.tuples(_edges(-1e12, -1.0, 0.0), _edges(1e-9, 1.0, 1e12)),
                "block_seconds": st.none() | _edges(5e-324, 6.0, 86_400.0),
                "proves": st.just(False),
            },
        ),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda guardrail: guardrail["metric"],
)
TIMES = dict.fromkeys(
    (
        *("stage_seconds", "min_stage_seconds", "warmup_seconds", "bake_seconds"),
        *("approval_seconds", "no_data_seconds", "check_seconds"),
    ),
    SECONDS,
)
CANARIES = _some(
    {"model": st.just(MODEL), "guardrails": GUARDRAILS, "approvals": st.just(())},
    {
        **TIMES,
        "stages": st.sampled_from([(100,), (1, 100), (5, 50, 100), tuple(range(1, 101))]),
        "alpha_rollback": CHANCES,
        "alpha_promote": CHANCES,
    },
)
TESTS = _some(
    {
        "model": st.just(MODEL),
        "shadow": st.none(),
        "weights": st.just({"baseline": 80, "lightweight": 20}),
        "guardrails": GUARDRAILS,
    },
    {
        "requests": st.integers(-1, 10**12),
        "seconds": SECONDS,
        "check_seconds": SECONDS,
        "practical": CHANCES,
        "alpha": CHANCES,
    },
)


def _lived_through(plan: CanaryPlan | ABTestPlan) -> None:
    """Enter a stage of `plan`, look, have the guard look, ask a person, and go home."""
    twin = Twin(seed=1)
    twin.champion()
    version = twin.candidate()
    if isinstance(plan, CanaryPlan):
        plan = plan.model_copy(update={"approvals": (100,), "candidate": version.number})
    rollout = resume_or_start(twin.world, plan, run="run-1")
    stage = plan.stages[0] if isinstance(plan, CanaryPlan) else 20
    guard = Guard(twin.world, monotonic=lambda: twin.time.now)
    rollout = enter_stage(twin.world, rollout, stage)
    for _ in range(2):
        twin.wait(3)
        renew_lease(twin.world, rollout)
        assert () == guard.round()
    if isinstance(plan, CanaryPlan):
        assert forecast(plan, 20.0)
        twin.clients.failing[version.served_name] = 0.3
        twin.wait(3)
        check(twin.world, rollout, plan, recall(twin.world, rollout, plan))
        if rollout.phase is Phase.OBSERVING and plan.stages != (100,):
            passed = append(twin.world.ledger, rollout, "stage.passed", {"stage": stage, "reasons": []})
            ask(twin.world, passed, 100)
            twin.wait(3)
            guard.round()
    home = bring_model_home(twin.world, MODEL, actor="ada", reason="stop")
    assert home.rollout is not None
    assert Phase.ROLLED_BACK is home.rollout.phase
    split = twin.backend.get_traffic(MODEL)
    assert split is not None
    assert 0 == split.percent(version.served_name)


@FEW
@given(CANARIES)
def test_a_canary_that_is_accepted_can_be_judged_guarded_and_rolled_back(body: dict[str, Any]) -> None:
    """Refused at birth with a reason, or good for a whole life: nothing in between."""
    try:
        plan = filled(CanaryPlan.model_validate(body))
    except (ValidationError, InvalidPlanError):
        return
    assert timedelta(seconds=plan.stage_seconds + plan.approval_seconds + plan.bake_seconds) < timedelta(days=91)
    _lived_through(plan)


@FEW
@given(TESTS)
def test_an_ab_test_that_is_accepted_can_be_judged_guarded_and_rolled_back(body: dict[str, Any]) -> None:
    """The same of A/B tests."""
    try:
        plan = filled(ABTestPlan.model_validate(body))
    except (ValidationError, InvalidPlanError):
        return
    _lived_through(plan)


PLANS_THAT_KILLED = {
    "no guardrail": {"guardrails": []},
    "no guardrail, and looks after the end of time": {"guardrails": [], "check_seconds": 1e9},
    "an approval beyond the calendar": {"approval_seconds": 1e300, "approvals": [50]},
    "stages beyond the calendar": {"stage_seconds": 1e300, "bake_seconds": 1e300},
    "looks without end": {"check_seconds": 5e-324},
    "chances that vanish": {"alpha_rollback": 5e-324},
}


@pytest.mark.parametrize("body", PLANS_THAT_KILLED.values(), ids=PLANS_THAT_KILLED.keys())
def test_what_killed_the_guard_is_refused_at_birth(body: dict[str, Any]) -> None:
    """Each of these was once accepted."""
    with pytest.raises(ValidationError):
        CanaryPlan.model_validate({"model": MODEL, **body})


@pytest.mark.parametrize("body", PLANS_THAT_KILLED.values(), ids=PLANS_THAT_KILLED.keys())
def test_a_recorded_plan_that_nobody_can_judge_by_goes_home_and_harms_no_other(
    twin: Twin, body: dict[str, Any]
) -> None:
    """An old ledger holds one: the guard lives through it, and brings its model home."""
    twin.champion()
    recorded = {"model": MODEL, "candidate": twin.candidate().number, "stages": [10, 50, 100]}
    plan = CanaryPlan.model_validate({**recorded, "guardrails": guardrails.GUARDRAILS, **body}, context=RECORDED)
    rollout = enter_stage(twin.world, resume_or_start(twin.world, plan, run="run-1"), 10)
    rollout = append(twin.world.ledger, rollout, "stage.passed", {"stage": 10, "reasons": []})
    append(twin.world.ledger, rollout, "approval.asked", {"stage": 50, "link": "here"})
    guard = Guard(twin.world, monotonic=lambda: twin.time.now)
    for _ in range(20):
        twin.wait(3)
        guard.round()
    told = current(twin.world.ledger, MODEL)
    assert told is not None
    assert Phase.ROLLED_BACK is told.phase  # nobody renews its lease either
    assert rollout.home == twin.backend.get_traffic(MODEL)


def test_an_ab_test_that_is_accepted_ends(twin: Twin) -> None:
    """Its watch is a canary's, made of its own numbers: none of them makes that one invalid."""
    twin.champion()
    twin.candidate()
    plan = ABTestPlan(
        model=MODEL, weights={"baseline": 80, "lightweight": 20}, shadow=None, alpha=1e-9, seconds=60, check_seconds=60
    )
    rollout = enter_stage(twin.world, resume_or_start(twin.world, plan, run="run-1"), 20)
    assert compare_variants(twin.world, rollout).reasons
