"""A rollout begins, and goes on, only while plan, registry and router agree on who is stable."""

from collections.abc import Callable

import pytest

from firstflight.acts.enter_stage import enter_stage, pass_stage
from firstflight.acts.homecoming import bring_model_home
from firstflight.acts.ledger_view import append, current
from firstflight.acts.promote import promote
from firstflight.acts.start import resume_or_start
from firstflight.domain.errors import RolloutError
from firstflight.domain.plans import ABTestPlan
from firstflight.domain.traffic import TrafficSplit
from firstflight.domain.versions import ModelVersion
from firstflight.guard.guard import Guard
from firstflight.rollout.machine import Phase, Rollout
from tests.unit.acts.twin import MODEL, PLAN, Twin, drive, in_first_stage


def promoted(twin: Twin) -> tuple[ModelVersion, ModelVersion, ModelVersion]:
    """Version 1, which served before, version 2, which serves, and version 3, which is to be tried."""
    first, second = twin.champion(), twin.candidate()
    plan = PLAN.model_copy(update={"candidate": second.number})
    assert Phase.PROMOTED is drive(twin.world, resume_or_start(twin.world, plan, run="before")).phase
    return first, second, twin.candidate("enhanced")


def test_a_canary_of_another_stable_model_than_the_one_that_serves_is_refused(twin: Twin) -> None:
    """Version 1 would get 90 % of version 2's traffic before any check, and be what a roll-back leads to."""
    first, second, third = promoted(twin)
    before = twin.backend.get_traffic(MODEL)
    plan = PLAN.model_copy(update={"candidate": third.number, "stable": first.number})
    with pytest.raises(RolloutError) as refused:
        resume_or_start(twin.world, plan, run="run-1")
    said = str(refused.value)
    assert f"the plan says {first.served_name} is stable" in said
    assert f"the registry's champion is {second.served_name}" in said
    assert f"the router reports {second.served_name} 100 %" in said
    assert "Name the version that serves" in said
    assert before == twin.backend.get_traffic(MODEL)


def test_an_ab_test_whose_control_does_not_serve_is_refused(twin: Twin) -> None:
    """The same: its control would have most of the traffic, and all of it afterwards."""
    first, _, third = promoted(twin)
    plan = ABTestPlan(
        model=MODEL,
        weights={"baseline": 80, "enhanced": 20},
        versions={"baseline": first.number, "enhanced": third.number},
        shadow=None,
    )
    with pytest.raises(RolloutError, match=r"no rollout of .* may begin: the plan says baseline-predictor-v1"):
        resume_or_start(twin.world, plan, run="run-1")


def _registry_differs(twin: Twin) -> None:
    twin.registry.set_alias(twin.candidate("other"), "champion")


def _router_differs(twin: Twin) -> None:
    other = twin.candidate("other")
    twin.backend.put(MODEL, TrafficSplit.all_to(other.served_name))


def _router_divides(twin: Twin) -> None:
    other = twin.candidate("other")
    twin.backend.put(MODEL, TrafficSplit.canary("baseline-predictor-v1", other.served_name, 20))


def _router_knows_nothing(twin: Twin) -> None:
    twin.backend.splits.pop(MODEL)


DIFFERENCES = pytest.mark.parametrize(
    "differ", [_registry_differs, _router_differs, _router_divides, _router_knows_nothing]
)


@DIFFERENCES
def test_nothing_begins_while_one_of_the_three_differs(twin: Twin, differ: Callable[[Twin], None]) -> None:
    """Whichever of them it is; nothing is recorded and no traffic moves."""
    stable = twin.champion()
    plan = PLAN.model_copy(update={"candidate": twin.candidate().number, "stable": stable.number})
    differ(twin)
    before = twin.backend.get_traffic(MODEL)
    with pytest.raises(RolloutError, match="they must be one"):
        resume_or_start(twin.world, plan, run="run-1")
    assert before == twin.backend.get_traffic(MODEL)
    assert current(twin.ledger, MODEL) is None


@pytest.mark.parametrize("differ", [_registry_differs, _router_differs, _router_divides])
def test_what_changed_before_the_first_stage_is_left_as_it_is(twin: Twin, differ: Callable[[Twin], None]) -> None:
    """Between its beginning and its first split somebody moved the model: the rollout ends and moves no traffic."""
    twin.champion()
    rollout = resume_or_start(twin.world, PLAN.model_copy(update={"candidate": twin.candidate().number}), run="run-1")
    differ(twin)
    before = twin.backend.get_traffic(MODEL)
    ended = drive(twin.world, rollout)
    assert Phase.ROLLED_BACK is ended.phase
    assert "the registry's champion is" in ended.reasons[0] or "the router reports" in ended.reasons[0]
    assert before == twin.backend.get_traffic(MODEL)
    assert {} == twin.leases.held()


ENDERS: dict[str, Callable[[Twin, Rollout], object]] = {
    "a person": lambda twin, _: bring_model_home(twin.world, MODEL, actor="ada", reason="stop"),
    "the guard": lambda twin, _: [
        (twin.wait(3), guard.round()) for guard in [Guard(twin.world, monotonic=lambda: twin.time.now)] * 20
    ],
}


@pytest.mark.parametrize("end", ENDERS.values(), ids=ENDERS.keys())
def test_going_home_before_the_first_stage_makes_nobody_stable(
    twin: Twin, end: Callable[[Twin, Rollout], object]
) -> None:
    """The way home is whom the router falls back to, not whom a plan once named."""
    twin.champion()
    rollout = resume_or_start(twin.world, PLAN.model_copy(update={"candidate": twin.candidate().number}), run="run-1")
    _router_differs(twin)
    before = twin.backend.get_traffic(MODEL)
    end(twin, rollout)
    told = current(twin.ledger, MODEL)
    assert told is not None
    assert Phase.ROLLED_BACK is told.phase
    assert before == twin.backend.get_traffic(MODEL)


def test_no_weight_is_raised_once_the_registry_names_another(twin: Twin) -> None:
    """Somebody moved the alias in mid-rollout: home, with all three named."""
    rollout = pass_stage(twin.world, in_first_stage(twin), ("good",))
    _registry_differs(twin)
    ended = enter_stage(twin.world, rollout, 50)
    assert Phase.ROLLING_BACK is ended.phase
    assert (
        "before 50 %: the plan says baseline-predictor-v1 is stable, the registry's champion is other"
        in (ended.reasons[0])
    )
    assert rollout.split == twin.backend.get_traffic(MODEL)


def test_a_person_who_orders_a_promotion_is_told_so_too(twin: Twin) -> None:
    """It jumps over stages, so it raises a weight as well."""
    rollout = in_first_stage(twin)
    body = {"approver": "ada", "comment": "", "reasons": ["stable fails"]}
    rollout = append(twin.ledger, rollout, "promotion.ordered", body)
    _registry_differs(twin)
    ended = promote(twin.world, rollout)
    assert Phase.ROLLING_BACK is ended.phase
    assert "before the promotion: the plan says" in ended.reasons[0]


def test_an_alias_that_a_late_driver_moved_ends_no_rollout(twin: Twin) -> None:
    """It names what went home before: it is set right, as at the beginning of a rollout, and the weight is raised."""
    first = in_first_stage(twin)
    first = append(twin.ledger, first, "promotion.intended", {"candidate": first.candidate.served_name})
    bring_model_home(twin.world, MODEL, actor="ada", reason="stop")
    plan = PLAN.model_copy(update={"candidate": twin.candidate("enhanced").number})
    rollout = enter_stage(twin.world, resume_or_start(twin.world, plan, run="run-2"), 10)
    rollout = pass_stage(twin.world, rollout, ("good",))
    twin.registry.set_alias(first.candidate, "champion")
    assert Phase.OBSERVING is enter_stage(twin.world, rollout, 50).phase
    assert rollout.arms.stable == twin.registry.get(MODEL, "champion")
