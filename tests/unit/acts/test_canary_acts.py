"""A canary from start to end, on a world in memory with a clock of its own."""

from copy import copy
from dataclasses import replace

import pytest

from firstflight.acts.deploy import deploy, open_route
from firstflight.acts.enter_stage import enter_stage, pass_stage
from firstflight.acts.homecoming import bring_model_home, bring_orphans_home, bring_run_home
from firstflight.acts.impact import impact_of
from firstflight.acts.ledger_view import append, checks, current, reread
from firstflight.acts.roll_back import intend_roll_back
from firstflight.acts.start import attach, resume_or_start
from firstflight.acts.tell import NEWS, notices_stream, tell_missed_rollbacks
from firstflight.decision.decide import Verdict
from firstflight.domain.errors import (
    BackendUnavailableError,
    HeadMovedError,
    ModelNotFoundError,
    NoStableModelError,
    RolloutError,
    ServingError,
    StaleTokenError,
)
from firstflight.domain.traffic import TrafficSplit
from firstflight.rollout.approval import Answer
from firstflight.rollout.machine import Phase, stream
from firstflight.serving.memory import MemoryBackend
from tests.unit.acts.twin import MODEL, PLAN, Twin, begun, drive, in_first_stage

YES = Answer(approver="ada", decision="approve", comment="fine")
NO = Answer(approver="ada", decision="reject", comment="not today")


def test_a_healthy_candidate_is_promoted(twin: Twin) -> None:
    """It climbs every stage, becomes champion and has all traffic; the old stable model stays loaded."""
    stable, candidate = twin.champion(), twin.candidate()
    rollout = resume_or_start(twin.world, PLAN.model_copy(update={"candidate": candidate.number}), run="run-1")
    ended = drive(twin.world, rollout)
    assert Phase.PROMOTED is ended.phase
    assert TrafficSplit.all_to(candidate.served_name) == twin.world.backend.get_traffic(MODEL)
    assert candidate == twin.world.registry.get(MODEL, "champion")
    assert twin.world.backend.is_ready(stable.served_name)


def test_a_failing_candidate_is_brought_home(twin: Twin) -> None:
    """Errors lead to the stable model, with the reason, the harm and the time on record."""
    stable, candidate = twin.champion(), twin.candidate()
    twin.clients.failing[candidate.served_name] = 0.3
    rollout = resume_or_start(twin.world, PLAN.model_copy(update={"candidate": candidate.number}), run="run-1")
    ended = drive(twin.world, rollout)
    assert Phase.ROLLED_BACK is ended.phase
    assert TrafficSplit.all_to(stable.served_name) == twin.world.backend.get_traffic(MODEL)
    assert stable == twin.world.registry.get(MODEL, "champion")
    harm = impact_of(twin.world, ended)
    assert harm.requests is not None
    assert harm.requests > 0
    assert ("error_rate",) == tuple(breach.metric for breach in harm.breaches)


def test_no_traffic_is_never_good_news(twin: Twin) -> None:
    """Without requests nothing is promoted: past its deadline the rollout goes home."""
    twin.champion()
    candidate = twin.candidate()
    twin.clients.rate = 0
    rollout = resume_or_start(twin.world, PLAN.model_copy(update={"candidate": candidate.number}), run="run-1")
    ended = drive(twin.world, rollout)
    assert Phase.ROLLED_BACK is ended.phase
    assert Verdict.INCONCLUSIVE is checks(twin.world.ledger, ended)[-1][1].verdict


def test_a_second_rollout_is_refused(twin: Twin) -> None:
    """One at a time; the message says which one holds the model and how to end it."""
    twin.champion()
    plan = PLAN.model_copy(update={"candidate": twin.candidate().number})
    resume_or_start(twin.world, plan, run="run-1")
    with pytest.raises(RolloutError, match=r"already has rollout .*run-1.*firstflight roll-back"):
        resume_or_start(twin.world, plan, run="run-2")


def test_a_rollout_needs_a_stable_model(twin: Twin) -> None:
    """Nothing to compare with, nothing to fall back to: refused before anything moves."""
    plan = PLAN.model_copy(update={"candidate": twin.candidate().number})
    with pytest.raises(NoStableModelError, match="no champion"):
        resume_or_start(twin.world, plan, run="run-1")
    assert current(twin.world.ledger, MODEL) is None


def test_a_version_that_does_not_exist_is_refused(twin: Twin) -> None:
    """The registry says what there is."""
    twin.champion()
    with pytest.raises(ModelNotFoundError):
        resume_or_start(twin.world, PLAN.model_copy(update={"candidate": 99}), run="run-1")


def test_a_candidate_that_is_not_served_is_refused(twin: Twin) -> None:
    """A canary does not deploy; it says what to run first."""
    twin.champion()
    version = twin.register("lightweight")
    with pytest.raises(RolloutError, match=r"not ready to serve; served now: .*Run the deploy flow first"):
        resume_or_start(twin.world, PLAN.model_copy(update={"candidate": version.number}), run="run-1")


def test_the_stable_model_is_not_its_own_candidate(twin: Twin) -> None:
    """The champion cannot be canaried against itself."""
    stable = twin.champion()
    with pytest.raises(RolloutError, match="is stable already"):
        resume_or_start(twin.world, PLAN.model_copy(update={"candidate": stable.number}), run="run-1")


def test_a_resumed_run_goes_on_where_it_stood(twin: Twin) -> None:
    """After approval the same run finds its rollout again, with a newer token, and ends it."""
    twin.champion()
    plan = PLAN.model_copy(update={"candidate": twin.candidate().number, "approvals": (50,)})
    waiting = drive(twin.world, resume_or_start(twin.world, plan, run="run-1"))
    assert (Phase.AWAITING_APPROVAL, (10,)) == (waiting.phase, waiting.passed)
    resumed = resume_or_start(twin.world, plan, run="run-1")
    assert resumed.id == waiting.id
    assert resumed.token > waiting.token
    assert Phase.PROMOTED is drive(twin.world, resumed, YES).phase


def test_a_rejection_leads_home(twin: Twin) -> None:
    """The stable model has all traffic, and the reason is the person's."""
    stable = twin.champion()
    ended = drive(twin.world, begun(twin, approvals=(50,)), NO)
    assert (Phase.ROLLED_BACK, ("ada rejected: not today",)) == (ended.phase, ended.reasons)
    assert TrafficSplit.all_to(stable.served_name) == twin.world.backend.get_traffic(MODEL)


def test_a_run_resumed_after_a_rollback_does_not_begin_again(twin: Twin) -> None:
    """Somebody ended the rollout while its run slept: the run finds it ended."""
    twin.champion()
    plan = PLAN.model_copy(update={"candidate": twin.candidate().number, "approvals": (50,)})
    waiting = drive(twin.world, resume_or_start(twin.world, plan, run="run-1"))
    bring_model_home(twin.world, MODEL, actor="ada", reason="stop")
    found = resume_or_start(twin.world, plan, run="run-1")
    assert (waiting.id, Phase.ROLLED_BACK) == (found.id, found.phase)


def test_a_late_driver_is_refused_by_ledger_and_backend(twin: Twin) -> None:
    """A driver that was replaced can neither write nor move traffic."""
    late = in_first_stage(twin)
    taken = attach(twin.world, late, actor="ada")
    with pytest.raises(StaleTokenError):
        enter_stage(twin.world, late, 50)
    with pytest.raises(HeadMovedError):
        intend_roll_back(twin.world, late, ("late",), trigger="test")
    twin.world.backend.set_traffic(MODEL, taken.home, taken.token)
    with pytest.raises(StaleTokenError):
        twin.world.backend.set_traffic(MODEL, late.split_at(50), late.token)


def test_rolling_back_twice_does_no_harm(twin: Twin) -> None:
    """The second call finds the rollout ended and returns it."""
    in_first_stage(twin)
    first = bring_model_home(twin.world, MODEL, actor="ada", reason="stop")
    again = bring_model_home(twin.world, MODEL, actor="bob", reason="stop")
    assert first.rollout == again.rollout
    assert first.proof.reported == again.proof.reported == again.was


def test_a_person_waits_for_one_proof(twin: Twin) -> None:
    """The end is written down by the proof that traffic was sent home with, not by a second one of the same."""
    rollout, waited = in_first_stage(twin), list[float]()

    def wait(seconds: float) -> None:
        waited.append(seconds)
        twin.wait(seconds)

    home = bring_model_home(replace(twin.world, wait=wait), MODEL, actor="ada", reason="stop")
    assert f"for {sum(waited):g} s" in home.proof.counted
    [told] = [each for each in twin.world.ledger.read(stream(MODEL)) if each.kind == "rollout.rolled_back"]
    assert (rollout.id, home.proof.model_dump(mode="json")) == (home.rollout and home.rollout.id, told.body["proof"])


def test_what_a_dead_run_left_open_is_ended(twin: Twin) -> None:
    """An automation names the run; only what that run left open ends, once."""
    stable = twin.champion()
    open_one = in_first_stage(twin)
    assert () == bring_run_home(twin.world, "another run", actor="hook", reason="died")
    [ended] = bring_run_home(twin.world, "run-1", actor="hook", reason="died")
    assert (open_one.id, Phase.ROLLED_BACK) == (ended.id, ended.phase)
    assert TrafficSplit.all_to(stable.served_name) == twin.world.backend.get_traffic(MODEL)
    assert () == bring_run_home(twin.world, "run-1", actor="hook", reason="died")


def test_what_a_dead_roll_back_left_open_is_ended_by_what_became_of_its_run(twin: Twin) -> None:
    """Only where the orchestrator says that the driver's run is over."""
    rollout = in_first_stage(twin)
    assert () == bring_orphans_home(twin.world, {"run-0": "ended"}.get, actor="watch-health")
    [ended] = bring_orphans_home(twin.world, {"run-1": "run-1 ended Crashed"}.get, actor="watch-health")
    assert (rollout.id, Phase.ROLLED_BACK, ("run-1 ended Crashed",)) == (ended.id, ended.phase, ended.reasons)


def test_an_end_that_nobody_told_is_told_once_and_while_it_is_news(twin: Twin) -> None:
    """A hook moves traffic and tells nobody; who killed the guard killed its page."""
    twin.champion()
    plan = PLAN.model_copy(update={"candidate": twin.candidate().number})
    enter_stage(twin.world, resume_or_start(twin.world, plan, run="run-1"), 10)
    assert () == tell_missed_rollbacks(twin.world)
    [ended] = bring_run_home(twin.world, "run-1", actor="hook", reason="died")
    assert (ended,) == tell_missed_rollbacks(twin.world)
    assert () == tell_missed_rollbacks(twin.world)
    [told] = twin.world.ledger.read(notices_stream(ended))
    assert "died" in told.body["text"]
    enter_stage(twin.world, resume_or_start(twin.world, plan, run="run-2"), 10)
    bring_run_home(twin.world, "run-2", actor="hook", reason="died too")
    twin.wait(NEWS.total_seconds() + 1)
    assert () == tell_missed_rollbacks(twin.world)


def test_a_router_that_restarts_is_waited_for_and_a_silent_one_gone_around(
    twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person rolls back in the seconds in which the router is away."""
    twin.champion()
    candidate = twin.candidate()
    plan = PLAN.model_copy(update={"candidate": candidate.number})
    enter_stage(twin.world, resume_or_start(twin.world, plan, run="run-1"), 10)
    ours = copy(twin.backend)  # clients have their own
    world = replace(twin.world, backend=ours)
    silent = [True] * 3

    def restarting(route: str) -> TrafficSplit | None:
        if silent and silent.pop():
            raise BackendUnavailableError("the router does not answer")
        return twin.world.backend.get_traffic(route)

    monkeypatch.setattr(ours, "get_traffic", restarting)
    home = bring_model_home(world, MODEL, actor="ada", reason="stop")
    assert home.was is not None
    assert home.was.percent(candidate.served_name)

    enter_stage(twin.world, resume_or_start(twin.world, plan, run="run-2"), 10)
    monkeypatch.setattr(ours, "get_traffic", _silent)
    monkeypatch.setattr(ours, "go_home", _silent)
    home = bring_model_home(world, MODEL, actor="ada", reason="stop")
    assert (None, "eviction") == (home.was, home.proof.way)
    assert not twin.world.backend.is_ready(candidate.served_name)


def _silent(_route: str) -> TrafficSplit | None:
    raise BackendUnavailableError("the router does not answer")


def test_counters_that_cannot_be_read_prove_nothing(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    """The router says that all is home; what it counts is away, so the candidate is stopped as well."""
    twin.champion()
    candidate = twin.candidate()
    plan = PLAN.model_copy(update={"candidate": candidate.number})
    enter_stage(twin.world, resume_or_start(twin.world, plan, run="run-1"), 10)
    monkeypatch.setattr(twin.world.backend, "tallies", _silent)
    home = bring_model_home(twin.world, MODEL, actor="ada", reason="stop")
    assert "eviction" == home.proof.way
    assert f"{candidate.served_name} stopped and no longer answering" == home.proof.counted


@pytest.mark.parametrize("error", [BackendUnavailableError("away"), ServingError("403"), OSError("no space left")])
def test_a_lease_that_cannot_be_marked_keeps_nobody_from_going_home(
    twin: Twin, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """Marking comes first, and traffic all the same."""
    rollout = in_first_stage(twin)

    def fails(*_: object) -> None:
        raise error

    monkeypatch.setattr(twin.world.leases, "surrender", fails)
    monkeypatch.setattr(twin.world.leases, "release", fails)
    [ended] = bring_run_home(twin.world, "run-1", actor="hook", reason="died")
    assert Phase.ROLLED_BACK is ended.phase
    assert rollout.home == twin.world.backend.get_traffic(MODEL)


def test_a_route_is_opened_to_its_champion_after_a_restore(twin: Twin) -> None:
    """Registry and ledger are back, serving is empty: the champion is deployed and gets its traffic, once."""
    champion = twin.champion()
    rollout = in_first_stage(twin)
    world = replace(twin.world, backend=MemoryBackend())
    assert open_route(world, MODEL, actor="ada") is None
    deploy(world, champion)
    assert champion == open_route(world, MODEL, actor="ada")
    assert TrafficSplit.all_to(champion.served_name) == world.backend.get_traffic(MODEL)
    assert open_route(world, MODEL, actor="ada") is None
    home = bring_model_home(world, MODEL, actor="ada", reason="restored").rollout
    assert home is not None
    assert (rollout.id, Phase.ROLLED_BACK) == (home.id, home.phase)
    assert open_route(twin.world, "no-such-model", actor="ada") is None


def test_a_split_changed_behind_its_back_ends_the_rollout(twin: Twin) -> None:
    """What is true is what the router reports; where it disagrees, traffic goes home."""
    rollout = in_first_stage(twin)
    twin.world.backend.set_traffic(MODEL, rollout.split_at(90), rollout.token)
    ended = drive(twin.world, rollout)
    assert Phase.ROLLED_BACK is ended.phase
    assert "the router reports" in ended.reasons[0]


def test_an_alias_moved_by_a_broken_promotion_is_restored(twin: Twin) -> None:
    """Killed between alias and record, then brought home: the champion is the stable model again."""
    stable = twin.champion()
    candidate = twin.candidate()
    plan = PLAN.model_copy(update={"candidate": candidate.number})
    rollout = resume_or_start(twin.world, plan, run="run-1")
    for stage in (10, 50, 100):
        rollout = pass_stage(twin.world, enter_stage(twin.world, rollout, stage), ("good",))
    rollout = append(twin.world.ledger, rollout, "promotion.intended", {"candidate": rollout.candidate.served_name})
    twin.world.registry.set_alias(candidate, "champion")
    bring_run_home(twin.world, "run-1", actor="hook", reason="killed")
    assert stable == twin.world.registry.get(MODEL, "champion")
    assert Phase.ROLLED_BACK is reread(twin.world.ledger, rollout).phase
