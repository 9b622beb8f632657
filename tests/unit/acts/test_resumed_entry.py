"""A driver that died between moving traffic and writing that down is followed by one that only writes it down."""

from firstflight.acts.enter_stage import enter_stage, pass_stage
from firstflight.acts.ledger_view import append
from firstflight.acts.start import resume_or_start
from firstflight.rollout.machine import Phase
from tests.unit.acts.twin import PLAN, Twin


def test_a_raise_that_was_not_written_down_is_no_foreign_split(twin: Twin) -> None:
    """However late the next attempt comes: traffic stands where this rollout intended it."""
    twin.champion()
    plan = PLAN.model_copy(update={"candidate": twin.candidate().number})
    rollout = enter_stage(twin.world, resume_or_start(twin.world, plan, run="run-1"), 10)
    rollout = pass_stage(twin.world, rollout, ("good",))
    split = rollout.split_at(50)
    rollout = append(
        twin.world.ledger, rollout, "stage.intended", {"stage": 50, "split": split.model_dump(mode="json")}
    )
    twin.world.backend.set_traffic(rollout.model, split, rollout.token)
    twin.wait(2 * twin.world.lease_seconds)
    resumed = resume_or_start(twin.world, plan, run="run-1")
    entered = enter_stage(twin.world, resumed, 50)
    assert (Phase.OBSERVING, 50) == (entered.phase, entered.stage), entered.reasons
