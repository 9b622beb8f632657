"""Recorded looks judged anew: they say what was decided, to the last bit, and whoever changed a record is found."""

import gzip
import math

import pytest

from benchmarks.faults.twin import MODEL, Twin
from firstflight.acts.compare import compare_variants
from firstflight.acts.enter_stage import enter_stage
from firstflight.acts.ledger_view import history
from firstflight.acts.rejudge import Rejudged, rejudge
from firstflight.acts.rules import rules
from firstflight.acts.start import resume_or_start
from firstflight.decision.verdicts import Verdict
from firstflight.domain.errors import NotFoundError
from firstflight.ledger.memory import MemoryRecordStore
from firstflight.ledger.record import Record
from firstflight.rollout.approval import Answer
from firstflight.rollout.machine import Phase, checks_stream
from tests.conftest import ROOT
from tests.unit.acts.twin import AB_TEST, begun, drive

OLD = ROOT / "tests" / "unit" / "ledger" / "testdata" / "0.1.0.jsonl.gz"


def checked(twin: Twin, rollout: str = f"{MODEL}-r1") -> list[Rejudged]:
    """Every check of the rollout, judged anew."""
    return list(rejudge(twin.ledger, rollout))


def test_a_promoted_canary_agrees_in_every_stage_and_the_bake(twin: Twin) -> None:
    """Thirty checks or more; what waits for a person, and what bakes, cannot be late."""
    asked = drive(twin.world, begun(twin, approvals=(50,), approval_seconds=3000, bake_seconds=200))
    twin.wait(700)
    assert Phase.PROMOTED is drive(twin.world, asked, Answer(approver="ann", decision="approve", comment="")).phase
    found = checked(twin)
    assert {"agrees"} == {one.outcome for one in found}
    assert {10, 50, 100} == {one.stage for one in found}
    assert len(found) > 25
    assert {True} == {one.same_rules for one in found}


def test_one_that_went_home_on_its_errors_agrees(twin: Twin) -> None:
    """Its last check says so."""
    rollout = begun(twin)
    twin.clients.failing = {rollout.candidate.served_name: 0.5}
    assert Phase.ROLLED_BACK is drive(twin.world, rollout).phase
    found = checked(twin)
    assert {"agrees"} == {one.outcome for one in found}
    assert Verdict.ROLL_BACK is found[-1].recorded is found[-1].now


def test_an_ab_test_agrees(twin: Twin) -> None:
    """By its own rules: so many requests, and harm to nobody."""
    twin.champion()
    twin.candidate()
    compare_variants(twin.world, enter_stage(twin.world, resume_or_start(twin.world, AB_TEST, run="run-1"), 20))
    found = checked(twin)
    assert {"agrees"} == {one.outcome for one in found}
    assert Verdict.PROMOTE is found[-1].now


@pytest.mark.parametrize("field", ["verdict", "triggers", "reasons", "metrics"])
def test_a_changed_decision_is_named_and_no_other(twin: Twin, field: str) -> None:
    """The smallest change of one number is enough."""
    drive(twin.world, begun(twin))
    third = twin.ledger._records[checks_stream(history(twin.ledger, MODEL)[0])][2]
    decision = third.body["decision"]
    match field:
        case "metrics":
            number = decision["metrics"][0]["log_e_rollback"]
            decision["metrics"][0]["log_e_rollback"] = math.nextafter(number, math.inf)
        case "verdict":
            decision["verdict"] = "HOLD"
        case _:
            decision[field] = ["something else"]
    found = checked(twin)
    assert [third.number] == [one.number for one in found if one.outcome != "agrees"]
    assert found[2].differences[0].startswith(field)


def test_a_changed_look_spoils_it_and_all_that_rest_on_it(twin: Twin) -> None:
    """One error less of the candidate's: no later verdict of that guardrail has the same evidence."""
    rollout = begun(twin)
    twin.clients.failing = {rollout.candidate.served_name: 0.008}
    drive(twin.world, rollout)
    records = twin.ledger._records[checks_stream(rollout)]
    errors = [record.body["look"]["samples"][rollout.candidate.served_name]["error_rate"] for record in records]
    place, spoiled = next((place, one) for place, one in enumerate(errors) if one.get("events", 0) > 0)
    spoiled["events"] -= 1
    found = checked(twin)
    assert {"agrees"} == {one.outcome for one in found[:place]} or place == 0
    assert {"differs"} == {one.outcome for one in found[place:]}


def test_what_the_router_said_is_in_no_look(twin: Twin) -> None:
    """Somebody moves traffic by hand: home at once, as recorded, and the replay says that it cannot know."""
    rollout = begun(twin)
    entered = enter_stage(twin.world, rollout, 10)
    twin.backend.set_traffic(MODEL, entered.home, entered.token)
    drive(twin.world, entered)
    found = checked(twin)
    assert "seen elsewhere" == found[-1].outcome
    assert "the router reports" in found[-1].differences[0]


def test_an_unreadable_check_ends_it(twin: Twin) -> None:
    """What comes after it rests on it."""
    drive(twin.world, begun(twin))
    records = twin.ledger._records[checks_stream(history(twin.ledger, MODEL)[0])]
    records[1].body["look"] = {"nothing": "known"}
    found = checked(twin)
    assert ["agrees", "unreadable"] == [one.outcome for one in found]


def test_an_old_ledger_is_judged_and_says_that_its_rules_are_unnamed() -> None:
    """Records of 0.1.0 name none: where numbers differ by now, nobody is accused."""
    with gzip.open(OLD, "rt", encoding="utf-8") as lines:
        records = [Record.model_validate_json(line) for line in lines]
    times = iter([record.at for record in records])
    ledger = MemoryRecordStore(lambda: next(times))
    for record in records:
        ledger.append(record.stream, record.kind, record.body, actor=record.actor)
    found = {rollout.id: list(rejudge(ledger, rollout.id)) for rollout in history(ledger, MODEL)}
    assert {f"{MODEL}-r1": 16, f"{MODEL}-r2": 45, f"{MODEL}-r3": 2} == {name: len(all_) for name, all_ in found.items()}
    assert {None} == {one.same_rules for all_ in found.values() for one in all_}
    assert Verdict.ROLL_BACK is found[f"{MODEL}-r3"][-1].now


def test_the_rules_are_those_of_the_sources(twin: Twin) -> None:
    """Each check names them."""
    drive(twin.world, begun(twin))
    records = twin.ledger._records[checks_stream(history(twin.ledger, MODEL)[0])]
    assert {rules()} == {record.body["rules"] for record in records if record.kind == "check"}


def test_of_no_rollout_nothing_is_judged(twin: Twin) -> None:
    """An unknown name is refused."""
    with pytest.raises(NotFoundError, match="no rollout 'other'"):
        list(rejudge(twin.ledger, "other"))
