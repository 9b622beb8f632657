"""What people are told at each moment, made from rollouts as they really go."""

from datetime import timedelta

from firstflight.acts import notices
from firstflight.acts.approve import ask
from firstflight.acts.compare import compare_variants
from firstflight.acts.enter_stage import enter_stage, pass_stage
from firstflight.acts.impact import RollbackImpact, impact_of
from firstflight.acts.promote import conclude
from firstflight.acts.start import resume_or_start
from firstflight.acts.tell import notices_stream, tell_ended
from firstflight.rollout import approval
from firstflight.rollout.machine import EnterStage, Phase, next_act
from tests.unit.acts.twin import AB_TEST, MODEL, Twin, begun, drive

RUN = "http://127.0.0.1:4200/runs/flow-run/x"


def test_a_rollback_tells_trigger_limit_harm_and_link(twin: Twin) -> None:
    """Whoever reads it knows what broke, by how much in percent, what it cost and where to look; no word twice."""
    twin.clients.failing["lightweight-predictor-v2"] = 0.3
    ended = drive(twin.world, begun(twin))
    told = notices.ended(ended, impact_of(twin.world, ended), RUN)
    facts = dict(told.facts)
    assert f"{MODEL}: lightweight-predictor-v2 rolled back at 10 %" == told.headline
    assert facts["Trigger: error rate"].endswith(" %, limit 1 %, stable 0 %")
    assert "baseline-predictor-v1 100 %" == facts["Serves now"]
    assert int(facts["Harmed requests"]) > 0
    assert facts["Breach to safety"].endswith(" s")
    assert (ended.reasons, RUN) == (told.reasons, told.link)
    assert "limit limit" not in told.text


def test_a_slow_candidate_harms_whom_it_keeps_waiting(twin: Twin) -> None:
    """Requests later than the limit are harm and are timed, although not one of them failed."""
    twin.clients.milliseconds["lightweight-predictor-v2"] = 400.0
    ended = drive(twin.world, begun(twin))
    told = notices.ended(ended, impact_of(twin.world, ended), RUN)
    facts = dict(told.facts)
    assert " ms, limit 200 ms, stable " in facts["Trigger: p95 latency"]
    assert int(facts["Harmed requests"]) > 5
    assert facts["Breach to safety"].endswith(" s")


def test_what_was_not_measured_is_not_zero(twin: Twin) -> None:
    """Unknown harm and unknown time are said to be unknown."""
    facts = dict(notices.ended(begun(twin), RollbackImpact(), RUN).facts)
    assert ("not counted", "not measured") == (facts["Harmed requests"], facts["Breach to safety"])


def test_a_promotion_tells_who_serves_and_who_did(twin: Twin) -> None:
    """The model before is named: it is still loaded."""
    ended = drive(twin.world, begun(twin))
    told = notices.ended(ended, RollbackImpact(), RUN)
    assert f"{MODEL}: lightweight-predictor-v2 promoted" == told.headline
    assert ("Replaced", "baseline-predictor-v1, still loaded") in told.facts


def test_an_ab_test_is_told_as_one(twin: Twin) -> None:
    """It begins as an A/B test, with shares and length and no stages; its end leads with the recommendation, once."""
    twin.champion()
    twin.candidate()
    rollout = resume_or_start(twin.world, AB_TEST, run="run-1")
    first = notices.started(rollout, RUN)
    assert f"{MODEL}: A/B test of lightweight-predictor-v2 against baseline-predictor-v1 started" == first.headline
    assert ("Traffic", "baseline-predictor-v1 80 %, lightweight-predictor-v2 20 %") in first.facts
    assert ("Ends after", "1,000 requests or 5 min") in first.facts
    assert "canary" not in first.text
    assert "promotion" not in first.text
    act = next_act(rollout)
    assert isinstance(act, EnterStage)
    rollout = enter_stage(twin.world, rollout, act.stage)
    decision = compare_variants(twin.world, rollout)
    ended = conclude(twin.world, pass_stage(twin.world, rollout, decision.reasons))
    assert Phase.COMPARED is ended.phase
    assert tell_ended(twin.world, ended)
    [record] = twin.world.ledger.read(notices_stream(ended))
    lines = record.body["text"].splitlines()
    assert f"{MODEL}: A/B test ended, keep baseline: no variant is worth adopting" == lines[0]
    assert 1 == record.body["text"].count("A/B test")
    assert any("planned requests seen" in line for line in lines[1:])


def test_a_canary_tells_its_stages_and_what_comes_next(twin: Twin) -> None:
    """The ladder at the start; after each stage the next one, and after the last the promotion."""
    rollout = begun(twin)
    assert ("Stages", "10 % → 50 % → 100 %") in notices.started(rollout, RUN).facts
    passed = pass_stage(twin.world, enter_stage(twin.world, rollout, 10), ("good",))
    told = notices.stage_passed(passed, RUN)
    assert (f"{MODEL}: lightweight-predictor-v2 passed 10 %", ("good",)) == (told.headline, told.reasons)
    assert ("Next", "50 %") in told.facts
    last = passed.model_copy(update={"passed": (10, 50, 100)})
    assert ("Next", "promotion") in notices.stage_passed(last, RUN).facts


def test_a_question_carries_its_deadline_and_what_silence_means(twin: Twin) -> None:
    """Who is asked knows by when, and that no answer is a no."""
    rollout = begun(twin, approvals=(50,), approval_seconds=3600)
    passed = pass_stage(twin.world, enter_stage(twin.world, rollout, 10), ("good",))
    asked = ask(twin.world, passed, 50)
    told = notices.approval_wanted(asked, 50, RUN)
    assert f"{MODEL}: approve lightweight-predictor-v2 for 50 % of traffic?" == told.headline
    assert ("Answer by", f"{asked.asked[50] + timedelta(hours=1):%Y-%m-%d %H:%M:%S} UTC") in told.facts
    assert ("No answer", "traffic goes back to the stable model") in told.facts


def test_a_second_try_of_a_candidate_says_so(twin: Twin) -> None:
    """Each try has the plan's whole chance of an error, so who is asked must know how many there were."""
    twin.clients.failing["lightweight-predictor-v2"] = 0.3
    first = begun(twin)
    assert "Try" not in dict(notices.started(first, RUN).facts)
    drive(twin.world, first)
    second = resume_or_start(twin.world, first.plan, run="run-2")
    assert dict(notices.started(second, RUN).facts)["Try"].startswith("2: ")
    asked = enter_stage(twin.world, second, 10).model_copy(update={"asked": {50: second.started_at}})
    assert "This is its try number 2: " in approval.question(asked, 50, None, "report.html")
