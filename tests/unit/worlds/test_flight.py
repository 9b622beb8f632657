"""Rollouts fly to an end, and what is said of them together is right."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.worlds.catalogue import WORLDS
from benchmarks.worlds.courses import Course
from benchmarks.worlds.faults import FAULTS
from benchmarks.worlds.figures import Share, figures
from benchmarks.worlds.flight import Flight, Flown, Onset
from benchmarks.worlds.intervals import AtTheLine
from benchmarks.worlds.plans import plan_named
from benchmarks.worlds.run import main
from benchmarks.worlds.service import Service

IID, PLAN = WORLDS["iid"], plan_named("default", WORLDS["iid"], ["brier"])


def fly(fault: str, onset: Onset) -> Flown:
    """Return one rollout of the default plan."""
    return Flight(IID, FAULTS[fault], PLAN, onset, np.random.default_rng(7)).fly()


def test_a_candidate_that_fails_always_is_rolled_back() -> None:
    """Within the warm-up, after the harm that was counted."""
    flown = fly("all-fail", Onset(stage=5))
    assert ("rolled back", ("error_rate",)) == (flown.end, flown.why)
    assert (0, flown.seconds) == (flown.onset, flown.delay)
    assert flown.looks * 30 == flown.seconds <= 90
    assert 10 < flown.harmed < 130


def test_a_healthy_candidate_goes_all_the_way() -> None:
    """Through every stage, a person's approval and the bake, and everything is looked at."""
    short = {
        "stages": (50, 100),
        "min_stage_seconds": 120,
        "warmup_seconds": 30,
        "bake_seconds": 60,
        "approvals": (100,),
    }
    flown = Flight(IID, FAULTS["none"], PLAN.model_copy(update=short), Onset(stage=50), np.random.default_rng(7)).fly()
    assert ("promoted", 2, 100, flown.looks * 30) == (flown.end, flown.stages_passed, flown.stage, flown.seconds)
    assert {"error_rate", "latency", "accuracy", "brier"} <= {*flown.stages}
    assert 0 == sum(flown.misses.values())


def test_a_fault_may_begin_with_the_clock() -> None:
    """The delay counts from there."""
    flown = fly("all-fail", Onset(second=195))
    assert (195, flown.seconds - 195) == (flown.onset, flown.delay)


def test_a_dead_stable_model_pages_a_person() -> None:
    """Nobody is sent home to it: the split is held until the person is there."""
    flown = fly("stable-dead", Onset(stage=5))
    assert ("paged", ("error_rate",)) == (flown.end, flown.why)
    assert flown.paged == flown.delay
    assert flown.seconds - (flown.paged or 0) == IID.approval


def test_a_fault_that_comes_too_late_was_not_met() -> None:
    """A rollout that ended before it neither detected nor missed it."""
    hasty = PLAN.model_copy(update={"stage_seconds": 30, "min_stage_seconds": 0, "warmup_seconds": 0})
    flown = Flight(IID, FAULTS["errors-5"], hasty, Onset(second=60), np.random.default_rng(7)).fly()
    assert ("held", 30) == (flown.end, flown.seconds)
    assert (None, None, 0) == (flown.onset, flown.delay, flown.harmed)


@pytest.mark.parametrize(("count", "of", "limit"), [(6, 2000, 0.0059), (0, 125, 0.0237), (1, 1, 1.0)])
def test_limits_are_those_of_clopper_and_pearson(count: int, of: int, limit: float) -> None:
    """As published elsewhere for the same counts."""
    assert pytest.approx(limit, abs=1e-4) == Share(count, of).limit


def test_a_fault_that_was_not_found_delays_for_ever() -> None:
    """Quantiles count every rollout that met the fault; a rollout that did not is left out."""
    found = [Flown(end="rolled back", onset=0, delay=delay, harmed=delay // 10) for delay in (30, 60, 90)]
    row = figures(IID, FAULTS["errors-5"], [*found, Flown(end="promoted", onset=0), Flown(end="held")])
    assert (4, (60, None), (3, 9)) == (row.met, row.delays, row.harmed)
    assert (1, 3, 1) == (row.promoted.count, row.rolled_back.count, row.held.count)


def test_a_stage_that_is_not_planned_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A fault that could never begin is a mistake."""
    with pytest.raises(SystemExit):
        main(["--from-stage", "7"])
    assert "no stage of 7 %" in capsys.readouterr().err


def test_the_command_prints_what_it_was_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """The list names every world and fault."""
    main(["--list"])
    listed = capsys.readouterr().out
    assert [] == [name for name in (*WORLDS, *FAULTS) if name not in listed]


def test_whether_a_proof_is_false_depends_on_the_hour() -> None:
    """At the limit on the whole of a day, a model is within it in a quiet half and beyond it in the other."""
    rate = np.full(3600, 20.0)
    half = np.repeat([0.9, 1.1], 1800)
    course = replace(Course.even(20.0), rate=rate, slowness=half)
    service = Service(IID, FAULTS["p95-at-limit"], np.random.default_rng(7))
    for since, held in ((0, True), (1800, False)):
        line = AtTheLine(IID, FAULTS["p95-at-limit"], course)
        line.count(service.serve(since, since + 60, 50, onset=0))
        assert (held, False) == (line.within("latency"), line.within("accuracy"))
