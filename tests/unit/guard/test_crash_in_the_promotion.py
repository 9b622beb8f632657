"""The last act of a promotion moves traffic and then says so; who dies in between leaves a puzzle to the guard."""

from collections.abc import Callable

from firstflight.acts.enter_stage import enter_stage, pass_stage
from firstflight.acts.ledger_view import current
from firstflight.acts.promote import promote
from firstflight.acts.start import resume_or_start
from firstflight.domain.traffic import TrafficSplit
from firstflight.guard.guard import Guard
from firstflight.rollout.machine import Rollout
from tests.unit.acts.twin import MODEL, PLAN, Twin


def finishing(twin: Twin) -> Rollout:
    """A rollout whose driver died after it had made the candidate the router's stable model."""
    plan = PLAN.model_copy(update={"candidate": twin.candidate().number})
    rollout = resume_or_start(twin.world, plan, run="run-1")
    for stage in plan.stages:
        rollout = pass_stage(twin.world, enter_stage(twin.world, rollout, stage), ("good",))
    rollout = promote(twin.world, rollout)
    twin.world.backend.set_traffic(MODEL, TrafficSplit.all_to(rollout.candidate.served_name), rollout.token)
    return rollout


def test_the_only_model_that_answers_is_never_evicted(twin: Twin) -> None:
    """Clients go on asking: the guard sends them to the model before, or leaves them where they are answered."""
    rollout = finishing(twin)
    nobody_answered = []
    evict: Callable[[str], None] = twin.world.backend.evict

    def noted(name: str) -> None:
        evict(name)
        split = twin.world.backend.get_traffic(MODEL)
        assert split is not None
        if not any(weight and twin.world.backend.is_ready(served) for served, weight in split.weights.items()):
            nobody_answered.append(f"{name} was evicted while the router reported {split}")

    twin.world.backend.evict = noted  # type: ignore[method-assign]  # to see what clients met
    guard = Guard(twin.world, monotonic=lambda: twin.time.now)
    for _ in range(20):
        guard.round()
        twin.wait(3)
    assert [] == nobody_answered
    told = current(twin.world.ledger, MODEL)
    assert told is not None
    assert told.final
    assert twin.world.backend.is_ready(rollout.arms.stable.served_name)
