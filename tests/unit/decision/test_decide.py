"""Decisions: what looks lead to which verdict, and that they always do."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firstflight.decision.decide import Decision, Evidence, Verdict, decide, judge, start, update
from firstflight.domain.plans import CanaryPlan, Guardrail
from firstflight.domain.samples import Counts, Histogram, Look, Moments, NoData, PairedMoments, Sample, Window

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
EDGES = (50.0, 100.0, 200.0, 400.0)
FAST, SLOW = (90, 8, 2, 0, 0), (5, 15, 30, 50, 0)

ERRORS = Guardrail(metric="error_rate", limit=0.01, margin=0.05)
LATENCY = Guardrail(metric="latency", limit=200.0, quantile=0.95)
ACCURACY = Guardrail(metric="accuracy", direction="higher_is_better", margin=0.1)


def plan_with(*guardrails: Guardrail, **changes: object) -> CanaryPlan:
    """Return a plan of short stages with these guardrails."""
    quick = {"stages": (20, 100), "stage_seconds": 60, "min_stage_seconds": 5, "warmup_seconds": 0, "check_seconds": 1}
    fields = {"approvals": (), "no_data_seconds": 10, **quick, **changes}
    return CanaryPlan.model_validate({"model": "churn", "guardrails": guardrails, **fields})


def look(
    second: int,
    candidate: Mapping[str, Sample] | None = None,
    stable: Mapping[str, Sample] | None = None,
    *,
    stage: int = 20,
    began: int = 0,
    paired: Mapping[str, Sample] | None = None,
    assignments: Mapping[str, int] | None = None,
) -> Look:
    """Return the look of the second that ends `second + 1` seconds after the beginning."""
    since = BEGIN + timedelta(seconds=second)
    until = since + timedelta(seconds=1)
    return Look(
        at=until,
        window=Window(since=since, until=until),
        stage=stage,
        stage_started_at=BEGIN + timedelta(seconds=began),
        weights={"new": stage, "old": 100 - stage},
        assignments=dict(assignments or {}),
        samples={"new": dict(candidate or {}), "old": dict(stable or {})},
        paired={"new": dict(paired or {})},
    )


def counts(events: int, exposures: int) -> Counts:
    """Return so many events among so many exposures."""
    return Counts(exposures=exposures, events=events)


def healthy(second: int, **changes: object) -> Look:
    """Return a look in which both arms do well."""
    new = {
        "error_rate": counts(0, 20),
        "latency": Histogram(edges=EDGES, counts=(18, 2, 0, 0, 0)),
        "accuracy": counts(18, 20),
    }
    old = {
        "error_rate": counts(0, 80),
        "latency": Histogram(edges=EDGES, counts=(72, 8, 0, 0, 0)),
        "accuracy": counts(72, 80),
    }
    return look(second, new, old, **changes)  # type: ignore[arg-type] # keywords of look


def run(plan: CanaryPlan, looks: list[Look]) -> Decision:
    """Decide for `new` against `old`."""
    return decide(plan, looks, stable="old", candidate="new")


def test_before_the_first_look_nothing_is_known() -> None:
    """No look: CONTINUE, and a reason."""
    assert Verdict.CONTINUE is run(plan_with(ERRORS), []).verdict


def test_a_healthy_candidate_is_promoted_for_reasons_it_has_shown() -> None:
    """Once every guardrail is proven, and not before the stage's shortest time."""
    plan = plan_with(ERRORS, LATENCY, ACCURACY)
    looks = [healthy(second) for second in range(40)]
    verdicts = [run(plan, looks[: n + 1]).verdict for n in range(40)]
    decision = run(plan, looks[: verdicts.index(Verdict.PROMOTE) + 1])
    assert {Verdict.CONTINUE} == set(verdicts[:4])
    assert {"proven"} == {metric.status for metric in decision.metrics}
    assert len(decision.reasons) == 3
    assert all((metric.log_e_promote or 0) > 0 for metric in decision.metrics)


def test_failing_answers_are_rolled_back_within_a_few() -> None:
    """30 % errors against none: at most six of them, and the sentence says value, interval, limit and requests."""
    plan = plan_with(ERRORS)
    looks = [look(n, {"error_rate": counts(n % 2 + 1, 5)}, {"error_rate": counts(0, 20)}) for n in range(10)]
    verdicts = [run(plan, looks[: n + 1]).verdict for n in range(10)]
    at = verdicts.index(Verdict.ROLL_BACK)
    decision = run(plan, looks[: at + 1])
    assert sum(n % 2 + 1 for n in range(at + 1)) <= 6
    assert ("error_rate",) == decision.triggers
    assert "candidate error rate" in decision.reasons[0]
    assert "always-valid 95 % interval" in decision.reasons[0]
    assert "limit 1 %" in decision.reasons[0]
    assert "requests" in decision.reasons[0]


def test_slow_answers_are_rolled_back_within_seconds() -> None:
    """Half of the answers beyond the limit of the 95 % quantile."""
    new, old = Histogram(edges=EDGES, counts=SLOW), Histogram(edges=EDGES, counts=FAST)
    decision = run(plan_with(LATENCY), [look(0, {"latency": new}, {"latency": old})])
    assert Verdict.ROLL_BACK is decision.verdict
    assert decision.reasons[0].startswith("candidate p95 latency")


def test_wrong_answers_are_rolled_back() -> None:
    """Accuracy 60 % against 90 %."""
    looks = [look(n, {"accuracy": counts(12, 20)}, {"accuracy": counts(72, 80)}) for n in range(20)]
    assert ("accuracy",) == run(plan_with(ACCURACY), looks).triggers


def test_harm_once_certain_stays_certain() -> None:
    """Later good looks do not take a rollback back."""
    bad = [look(n, {"error_rate": counts(5, 5)}, {"error_rate": counts(0, 20)}) for n in range(3)]
    good = [look(n, {"error_rate": counts(0, 500)}, {"error_rate": counts(0, 500)}) for n in range(3, 50)]
    assert Verdict.ROLL_BACK is run(plan_with(ERRORS), [*bad, *good]).verdict


def test_silence_is_not_health() -> None:
    """NoData: first CONTINUE with a note, past the deadline INCONCLUSIVE, never PROMOTE."""
    plan = plan_with(ERRORS)
    spoken = [healthy(n) for n in range(8)]
    silent = [look(n, {"error_rate": NoData(reason="no rows")}, {"error_rate": counts(0, 80)}) for n in range(8, 30)]
    shortly, long = run(plan, [*spoken, *silent[:3]]), run(plan, [*spoken, *silent])
    assert Verdict.CONTINUE is shortly.verdict
    assert Verdict.INCONCLUSIVE is long.verdict
    assert long.reasons[0].startswith("blind")


def test_a_moment_without_requests_before_the_records_stopped_is_the_collectors_silence() -> None:
    """The last second had none of the candidate's: what is missing most are records, and people are told so."""
    plan = plan_with(ERRORS)
    last = look(8, {"error_rate": NoData(reason="no rows")}, {"error_rate": counts(0, 80)})
    stood = [last.model_copy(update={"at": last.at + timedelta(seconds=n)}) for n in range(1, 30)]
    looks = [*(healthy(n) for n in range(8)), last, *stood]
    decided = [run(plan, looks[: n + 1]) for n in range(len(looks))]
    first = next(decision for decision in decided if decision.verdict is Verdict.INCONCLUSIVE)
    assert first.reasons[0].startswith("blind: no data of the candidate for")
    assert first.reasons[0].endswith("is the collector running?")


def test_zero_requests_are_silence_too() -> None:
    """A candidate that answers nothing has no error rate."""
    looks = [look(n, {"error_rate": counts(0, 0)}, {"error_rate": counts(0, 80)}) for n in range(30)]
    assert Verdict.INCONCLUSIVE is run(plan_with(ERRORS), looks).verdict


def test_a_skewed_split_holds_and_never_promotes() -> None:
    """Requests that do not arrive as the router says: INCONCLUSIVE with both numbers."""
    looks = [healthy(n, assignments={"new": 50, "old": 50}) for n in range(40)]
    decision = run(plan_with(ERRORS, LATENCY, ACCURACY), looks)
    assert Verdict.INCONCLUSIVE is decision.verdict
    assert decision.sample_ratio is not None
    assert "mismatch" == decision.sample_ratio.status
    assert "2,000 requests, 800 expected" in decision.reasons[0]


def test_time_runs_out_inconclusively() -> None:
    """A guardrail that cannot be proven in the stage's time is named."""
    looks = [look(n, {"error_rate": counts(0, 1)}, {"error_rate": counts(0, 4)}) for n in range(60)]
    decision = run(plan_with(Guardrail(metric="error_rate", limit=0.001)), looks)
    assert Verdict.INCONCLUSIVE is decision.verdict
    assert "undecided after 60 s at 20 %" in decision.reasons[0]


def test_without_a_stable_arm_only_limits_speak() -> None:
    """At 100 %: a relative guardrail does not apply, a limit must still be proven and still rolls back."""
    plan = plan_with(LATENCY, ACCURACY)
    fine = [
        look(n, {"latency": Histogram(edges=EDGES, counts=FAST), "accuracy": counts(50, 100)}, stage=100)
        for n in range(8)
    ]
    slow = [look(n, {"latency": Histogram(edges=EDGES, counts=SLOW)}, stage=100) for n in range(3)]
    decision = run(plan, fine)
    assert Verdict.PROMOTE is decision.verdict
    assert {"latency": "proven", "accuracy": "not_applicable"} == {m.metric: m.status for m in decision.metrics}
    assert Verdict.ROLL_BACK is run(plan, slow).verdict


def test_proof_is_per_stage() -> None:
    """What was proven at 20 % is asked again at the next stage, and evidence of harm is kept."""
    plan = plan_with(ERRORS, stages=(20, 50, 100))
    first = [healthy(n) for n in range(20)]
    second = healthy(20, stage=50, began=20)
    assert Verdict.PROMOTE is run(plan, first).verdict
    decision = run(plan, [*first, second])
    assert Verdict.CONTINUE is decision.verdict
    assert 20 == decision.metrics[0].n_candidate


def test_a_cold_start_is_not_held_against_the_candidate_but_a_broken_one_is() -> None:
    """In the warm-up twice the errors pass; 30 % errors against 1 % do not."""
    plan = plan_with(ERRORS, warmup_seconds=20)
    cold = [look(n, {"error_rate": counts(n % 2, 25)}, {"error_rate": counts(1, 100)}) for n in range(20)]
    broken = [look(n, {"error_rate": counts(8, 25)}, {"error_rate": counts(1, 100)}) for n in range(20)]
    assert Verdict.CONTINUE is run(plan, cold).verdict
    assert "warming up" in run(plan, cold[:5]).reasons[0]
    assert Verdict.ROLL_BACK is run(plan, broken).verdict


@pytest.mark.parametrize(
    ("again", "word"),
    [(lambda: healthy(3), "repeats"), (lambda: healthy(1), "precedes"), (lambda: _shifted(healthy(3)), "overlaps")],
)
def test_looks_that_would_count_twice_are_not_used(again: object, word: str) -> None:
    """A repeated, backward or overlapping look changes nothing but the reasons."""
    assert callable(again)
    plan, looks = plan_with(ERRORS), [healthy(n) for n in range(4)]
    before, after = run(plan, looks), run(plan, [*looks, again()])
    assert word in after.reasons[-1]
    assert before.metrics == after.metrics


def _shifted(one: Look) -> Look:
    half = timedelta(seconds=0.5)
    window = Window(since=one.window.since + half, until=one.window.until + half)
    return one.model_copy(update={"window": window, "at": window.until})


def test_profit_is_judged_on_the_same_units() -> None:
    """Paired differences show a loss the market would hide from unpaired means, where the payoff is capped."""
    profit = Guardrail(metric="profit", direction="higher_is_better", proves=False, bounds=(-5.0, 5.0))
    pair = PairedMoments(count=20, control_mean=1.0, treatment_mean=0.0, control_m2=150, treatment_m2=150, cross=149.0)
    looks = [look(n, {}, {}, paired={"profit": pair}) for n in range(8)]
    decision = run(plan_with(ERRORS, profit), looks)
    assert ("profit",) == decision.triggers
    assert 160 == decision.metrics[1].n_candidate
    alone = [Moments(count=20, mean=mean, m2=150.0) for mean in (0.0, 1.0)]
    apart = [look(n, {"profit": alone[0]}, {"profit": alone[1]}) for n in range(8)]
    assert () == run(plan_with(ERRORS, profit), apart).triggers


def test_a_mean_without_bounds_is_shown_and_decides_nothing() -> None:
    """Six payoffs of 100 against none yet: the candidate's next request may earn one. It was rolled back, 577 to 1."""
    profit = Guardrail(metric="profit", direction="higher_is_better", proves=False)
    rare = Moments(count=570, mean=600 / 570, m2=6 * 1e4 - 570 * (600 / 570) ** 2)
    looks = [look(n, {"profit": Moments(count=30)}, {"profit": rare}) for n in range(4)]
    decision = run(plan_with(ERRORS, profit), looks)
    shown = decision.metrics[1]
    assert () == decision.triggers
    assert ("watched", 0.0, None) == (shown.status, shown.candidate, shown.low)
    assert "no bounds in the plan" in shown.note


def test_a_rare_payoff_within_bounds_is_no_harm_before_it_has_come() -> None:
    """The same, the payoff capped at 100; a candidate that earns nothing for an hour is found out all the same."""
    profit = Guardrail(metric="profit", direction="higher_is_better", proves=False, bounds=(0.0, 100.0))
    plan = plan_with(ERRORS, profit, stage_seconds=5000)
    rare = Moments(count=570, mean=600 / 570, m2=6 * 1e4 - 570 * (600 / 570) ** 2)
    looks = [look(n, {"profit": Moments(count=30)}, {"profit": rare}) for n in range(120)]
    assert () == run(plan, looks[:4]).triggers
    assert ("profit",) == run(plan, looks).triggers


def test_values_beyond_their_bounds_are_a_fault() -> None:
    """A spread that no values within the bounds can have."""
    brier = Guardrail(metric="brier", margin=0.05)
    wide = Moments(count=50, mean=0.2, m2=40.0)
    assert (
        "beyond the bounds 0 and 1"
        in run(plan_with(brier), [look(0, {"brier": wide}, {"brier": wide})]).metrics[0].note
    )


def test_looks_in_which_one_arm_is_silent_are_not_pooled() -> None:
    """Brier 0.10 in both arms, then 0.20 while stable reports nothing: no difference has been seen (Simpson)."""
    brier = Guardrail(metric="brier", proves=False)

    def scores(mean: float, count: int) -> Moments:
        return Moments(count=count, mean=mean, m2=0.02 * count)

    both = [look(n, {"brier": scores(0.1, 50)}, {"brier": scores(0.1, 200)}) for n in range(20)]
    alone = [look(n, {"brier": scores(0.2, 50)}, {"brier": NoData(reason="none")}) for n in range(20, 60)]
    decision = run(plan_with(ERRORS, brier), [*both, *alone])
    assert () == decision.triggers
    assert (decision.metrics[1].low or 0) <= 0 <= (decision.metrics[1].high or 0)


def test_means_that_are_not_worse_are_proven_so() -> None:
    """A Brier score equal to the stable model's, with a margin."""
    brier = Guardrail(metric="brier", margin=0.05)
    one, other = Moments(count=50, mean=0.20, m2=0.5), Moments(count=200, mean=0.20, m2=2.0)
    decision = run(plan_with(brier), [look(n, {"brier": one}, {"brier": other}) for n in range(10)])
    assert Verdict.PROMOTE is decision.verdict
    assert "difference" == decision.metrics[0].interval_of


def test_a_block_that_outlasts_a_stage_is_named_where_its_guardrail_is_shown() -> None:
    """Whether or not any of its blocks has closed yet."""
    brier = Guardrail(metric="brier", proves=False, block_seconds=86_400)
    for shown in ({}, {"brier": Moments(count=50, mean=0.1, m2=1.0)}):
        note = run(plan_with(ERRORS, brier), [look(0, shown, shown)]).metrics[1].note
        assert note.startswith("a block of 86,400 s does not close within a stage of")


def test_a_limit_between_two_edges_is_judged_on_the_safe_side() -> None:
    """Without an edge at the limit the verdict's note says what counts instead."""
    rail = Guardrail(metric="latency", limit=150.0, quantile=0.95)
    new = Histogram(edges=EDGES, counts=FAST)
    decision = run(plan_with(rail), [look(n, {"latency": new}, {"latency": new}) for n in range(8)])
    assert "harm counts above 200, proof below 100" in decision.metrics[0].note


@pytest.mark.parametrize(
    ("guardrail", "sample", "fault"),
    [
        (Guardrail(metric="m", limit=2.0), counts(1, 10), "between 0 and 1"),
        (Guardrail(metric="m", limit=9.0), Histogram(edges=(1.0,), counts=(3, 4)), "quantile"),
    ],
)
def test_a_guardrail_that_cannot_judge_its_samples_never_passes(
    guardrail: Guardrail, sample: Sample, fault: str
) -> None:
    """The fault is named in the reasons and nothing is promoted."""
    decision = run(plan_with(guardrail), [look(n, {"m": sample}, {"m": sample}) for n in range(70)])
    assert Verdict.INCONCLUSIVE is decision.verdict
    assert "invalid" == decision.metrics[0].status
    assert fault in decision.reasons[1]


def test_samples_that_change_their_kind_are_a_fault() -> None:
    """Counts that become histograms are not added to anything."""
    looks = [healthy(0), look(1, {"error_rate": Histogram(edges=(1.0,), counts=(5, 0))}, {})]
    assert "another kind" in run(plan_with(ERRORS), looks).metrics[0].note


def test_both_arms_are_two() -> None:
    """A model is not compared with itself."""
    with pytest.raises(ValueError, match="both served"):
        start(plan_with(ERRORS), "old", "old")


def without_news(second: float, since: int) -> Look:
    """Return the look at `second` of a source whose records ended at `since`."""
    end = BEGIN + timedelta(seconds=since)
    changes = {"at": BEGIN + timedelta(seconds=second), "window": Window(since=end, until=end)}
    return healthy(since).model_copy(update=changes)


def test_looks_without_news_move_the_clock() -> None:
    """Records that stop: CONTINUE with why, then INCONCLUSIVE by the clock, never PROMOTE; replay says the same."""
    plan = plan_with(ERRORS, min_stage_seconds=45)
    looks = [*(healthy(n) for n in range(40)), *(without_news(n, 40) for n in range(41, 53))]
    verdicts = [run(plan, looks[: n + 1]).verdict for n in range(40, 52)]
    assert [Verdict.CONTINUE] * 10 + [Verdict.INCONCLUSIVE] * 2 == verdicts
    assert "nothing was recorded after" in run(plan, looks[:45]).reasons[-1]
    assert "is the collector running?" in run(plan, looks).reasons[0]
    assert Verdict.PROMOTE is run(plan, [*looks[:45], *(healthy(n) for n in range(45, 50))]).verdict


def test_a_stage_runs_out_of_time_without_news_too() -> None:
    """The stage's longest time is that of the clock."""
    plan = plan_with(ERRORS, ACCURACY, stage_seconds=20, no_data_seconds=100)
    decision = run(plan, [healthy(0), *(without_news(n, 1) for n in range(2, 25))])
    assert Verdict.INCONCLUSIVE is decision.verdict
    assert decision.reasons[0].startswith("undecided after 24 s")


def test_a_latency_within_half_of_its_headroom_is_not_held_against_the_candidate() -> None:
    """Stable's p95 below 50 ms, limit 200 ms: 100 ms pass, unless the guardrail tolerates less; 200 ms do not."""
    edges = (50.0, 75.0, 100.0, 125.0, 150.0, 200.0, 400.0)
    old = Histogram(edges=edges, counts=(97, 1, 1, 1, 0, 0, 0, 0))
    slower = Histogram(edges=edges, counts=(10, 20, 67, 3, 0, 0, 0, 0))
    slow = Histogram(edges=edges, counts=(10, 20, 40, 10, 17, 3, 0, 0))
    strict = LATENCY.model_copy(update={"tolerance": 25.0})

    def decided(guardrail: Guardrail, new: Histogram) -> Decision:
        return run(plan_with(guardrail), [look(n, {"latency": new}, {"latency": old}) for n in range(3)])

    assert Verdict.ROLL_BACK is not decided(LATENCY, slower).verdict
    assert Verdict.ROLL_BACK is decided(LATENCY, slow).verdict
    assert "slower than stable by more than half of what its limit leaves" in decided(LATENCY, slow).reasons[0]
    assert "worse than stable by more than 25 ms" in decided(strict, slower).reasons[0]


def test_the_reason_says_when_the_limit_alone_was_broken() -> None:
    """3 % errors are beyond the limit of 1 %, beside a stable model that nearly is."""
    looks = [look(n, {"error_rate": counts(30, 1000)}, {"error_rate": counts(1, 130)}) for n in range(5)]
    assert "beyond its limit" in run(plan_with(ERRORS), looks).reasons[0]


def failing(second: int, candidate: int = 0, stable: int = 80, **changes: object) -> Look:
    """Return a look in which the arms fail so many of their 20 and 80 requests, and are fine else."""
    fine = healthy(second, **changes)
    new = {**fine.samples["new"], "error_rate": counts(candidate, 20)}
    old = {**fine.samples["old"], "error_rate": counts(stable, 80)}
    return fine.model_copy(update={"samples": {"new": new, "old": old}})


def test_a_stage_that_runs_out_of_time_does_not_lead_to_a_dead_stable_model() -> None:
    """Stable stopped answering, the candidate is well: the split is held at once and for as long as that lasts."""
    plan = plan_with(ERRORS, LATENCY, ACCURACY)
    looks = [*(healthy(n) for n in range(4)), *(failing(n) for n in range(4, 90))]
    verdicts = [run(plan, looks[: n + 1]).verdict for n in range(90)]
    assert [Verdict.CONTINUE] * 4 + [Verdict.HOLD] * 86 == verdicts
    decision = run(plan, looks)
    assert ("error_rate",) == decision.failing
    assert decision.reasons[0].startswith("stable is failing: the split is held")
    assert "stable: 100 % of 6,880 bad by error rate, limit 1 %" == decision.reasons[1]
    assert "candidate error rate 0 %" in decision.reasons[2]


def test_a_cause_outside_both_arms_is_held_against_neither() -> None:
    """4.1 % against 5.2 % where 1 % are allowed: never home to the worse, at any division of traffic."""
    for new, old in ((1000, 100), (100, 1000), (500, 500)):
        sample = {"error_rate": counts(round(0.041 * new), new)}, {"error_rate": counts(round(0.052 * old), old)}
        verdicts = {run(plan_with(ERRORS), [look(m, *sample) for m in range(n + 1)]).verdict for n in range(20)}
        assert Verdict.HOLD in verdicts
        assert verdicts <= {Verdict.HOLD, Verdict.CONTINUE}
        decision = run(plan_with(ERRORS), [look(m, *sample) for m in range(20)])
        assert decision.reasons[0].startswith("both models are failing")


def test_a_trouble_of_both_that_has_passed_is_held_against_neither() -> None:
    """Five bad seconds of both, then health: the rollout goes on and is promoted."""
    plan = plan_with(ERRORS, LATENCY, ACCURACY)
    looks = [*(failing(n, 10, 40) for n in range(5)), *(healthy(n) for n in range(5, 40))]
    verdicts = [run(plan, looks[: n + 1]).verdict for n in range(40)]
    assert [Verdict.HOLD] * 5 == verdicts[:5]
    assert Verdict.HOLD not in verdicts[10:]
    assert Verdict.PROMOTE in verdicts


def test_a_candidate_that_is_certainly_worse_goes_home_to_a_failing_stable_model() -> None:
    """5 % against 60 %: home is better, and the reasons say what it answers."""
    decision = run(plan_with(ERRORS), [failing(n, 12, 4) for n in range(10)])
    assert Verdict.ROLL_BACK is decision.verdict
    assert "bad by error rate, limit 1 %" in decision.reasons[-1]


def test_a_failing_stable_model_is_no_measure_of_anything_else() -> None:
    """Stable answers nothing but errors, quickly: a candidate that takes its time is not worse for that."""
    quick = Histogram(edges=EDGES, counts=(80, 0, 0, 0, 0))
    slower = Histogram(edges=EDGES, counts=(2, 8, 9, 1, 0))
    looks = [
        look(n, {"error_rate": counts(0, 20), "latency": slower}, {"error_rate": counts(80, 80), "latency": quick})
        for n in range(30)
    ]
    assert Verdict.HOLD is run(plan_with(ERRORS, LATENCY.model_copy(update={"limit": 400.0})), looks).verdict


def test_a_silent_stable_model_is_no_home() -> None:
    """Four fifths of the traffic and no answer for longer than allowed, while the candidate answers."""
    looks = [*(healthy(n) for n in range(4)), *(look(n, {"error_rate": counts(0, 20)}) for n in range(4, 30))]
    plan = plan_with(ERRORS, LATENCY, ACCURACY)
    assert Verdict.CONTINUE is run(plan, looks[:10]).verdict
    assert Verdict.HOLD is run(plan, looks).verdict
    assert "no data of stable for 26 s" in run(plan, looks).reasons[0]


def test_the_collapse_of_stable_does_not_drown_the_proof() -> None:
    """0 of 1,180 failures prove that the candidate keeps its limit of 1 %, however the stable model's looks vary."""
    plan = plan_with(Guardrail(metric="error_rate", limit=0.01))
    looks = [*(healthy(n) for n in range(3)), *(failing(n) for n in range(3, 59))]
    assert "proven" == run(plan, looks).metrics[0].status


def test_paired_units_count_once() -> None:
    """Where accuracy comes as pairs, its counts of the same answers are left alone."""
    pair = PairedMoments(count=20, control_mean=0.9, treatment_mean=0.6, control_m2=0.2, treatment_m2=0.2, cross=0.1)
    new, old = {"accuracy": counts(60, 100)}, {"accuracy": counts(360, 400)}
    decision = run(plan_with(ACCURACY), [look(n, new, old, paired={"accuracy": pair}) for n in range(5)])
    assert ("accuracy",) == decision.triggers
    assert 100 == decision.metrics[0].n_candidate


@st.composite
def rollouts(draw: st.DrawFn) -> list[Look]:
    """Return looks with anything in them that a source may report."""
    looks = []
    for second in range(draw(st.integers(1, 6))):
        arms = []
        for _ in range(2):
            n = draw(st.integers(0, 60))
            arms.append(
                {
                    "error_rate": draw(
                        st.sampled_from([counts(0, n), counts(n, n), counts(n // 3, n), NoData(reason="-")])
                    ),
                    "latency": Histogram(edges=EDGES, counts=draw(st.tuples(*[st.integers(0, 30)] * 5))),
                    "brier": Moments(count=n, mean=draw(st.floats(-1e6, 1e6)), m2=draw(st.floats(0, 1e6))),
                }
            )
        looks.append(look(second, *arms, assignments={"new": 20, "old": 80}))
    return looks


MIXED = plan_with(ERRORS, LATENCY, Guardrail(metric="brier", limit=0.5, margin=0.1))


@given(rollouts())
@settings(max_examples=60, deadline=None)
def test_replay_is_equal_to_the_last_bit(looks: list[Look]) -> None:
    """From JSON of the looks, and from JSON of the evidence at any point, the same decision follows."""
    expected = run(MIXED, looks)
    again = [Look.model_validate_json(each.model_dump_json()) for each in looks]
    evidence = start(MIXED, "old", "new")
    for each in again:
        evidence = Evidence.model_validate_json(update(MIXED, evidence, each).model_dump_json())
    assert expected == run(MIXED, again) == judge(MIXED, evidence)
    assert expected.model_dump_json() == judge(MIXED, evidence).model_dump_json()
    assert len(evidence.model_dump_json()) < 10_000


@given(rollouts())
@settings(max_examples=60, deadline=None)
def test_every_number_is_a_number(looks: list[Look]) -> None:
    """Whatever is reported, nothing is NaN or infinite and every verdict has a reason."""
    decision = run(MIXED, looks)
    numbers = [v for metric in decision.metrics for v in metric.model_dump().values() if isinstance(v, float)]
    assert all(math.isfinite(number) for number in numbers)
    assert decision.reasons


@given(rollouts(), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_more_errors_never_lower_the_evidence_of_harm(looks: list[Look], which: int) -> None:
    """One more failed answer of the candidate in any look raises log e or leaves it."""
    found = looks[min(which, len(looks) - 1)]
    sample = found.samples["new"]["error_rate"]
    if not isinstance(sample, Counts) or sample.events == sample.exposures:
        return
    worse = {**found.samples["new"], "error_rate": counts(sample.events + 1, sample.exposures)}
    changed = [
        each.model_copy(update={"samples": {**each.samples, "new": worse}}) if each is found else each for each in looks
    ]
    before, after = run(MIXED, looks).metrics[0], run(MIXED, changed).metrics[0]
    assert after.log_e_rollback >= before.log_e_rollback - 1e-9


def test_the_state_does_not_grow() -> None:
    """A thousand looks of a million requests each: state under 10 kB, verdict in finite numbers."""
    plan = plan_with(ERRORS, LATENCY, ACCURACY, stage_seconds=5000)
    evidence = start(plan, "old", "new")
    many = Histogram(edges=EDGES, counts=(900_000, 90_000, 10_000, 0, 0))
    for second in range(1000):
        new = {"error_rate": counts(1000, 10**6), "latency": many, "accuracy": counts(900_000, 10**6)}
        evidence = update(plan, evidence, look(second, new, new))
    assert len(evidence.model_dump_json()) < 10_000
    assert Verdict.PROMOTE is judge(plan, evidence).verdict


@given(
    metric=st.sampled_from(["error_rate", "accuracy", "latency", "brier"]),
    limit=st.none() | st.floats(1e-300, 1e300) | st.floats(0, 1),
    margin=st.none() | st.floats(1e-300, 1e300) | st.floats(0, 1),
    tolerance=st.just(0.0) | st.floats(0, 1),
    higher=st.booleans(),
    proves=st.booleans(),
    wrong=st.sampled_from([0, 3, 20]),
)
@settings(max_examples=300, deadline=None)
def test_every_plan_that_is_accepted_can_be_judged(
    metric: str,
    limit: float | None,
    margin: float | None,
    tolerance: float,
    wrong: int,
    *,
    higher: bool,
    proves: bool,
) -> None:
    """Whatever the numbers, looks lead to a verdict and never to an exception."""
    fields = {"metric": metric, "limit": limit, "margin": margin, "tolerance": tolerance, "proves": proves}
    fields |= {"quantile": 0.9} if metric == "latency" else {}
    fields |= {"direction": "higher_is_better"} if higher else {}
    try:
        plan = plan_with(Guardrail.model_validate(fields))
    except ValueError:
        return
    arm: dict[str, Sample] = {
        "error_rate": counts(wrong, 20),
        "accuracy": counts(20 - wrong, 20),
        "latency": Histogram(edges=EDGES, counts=(20 - wrong, 0, 0, 0, wrong)),
        "brier": Moments(count=20, mean=0.1, m2=0.1),
    }
    looks = [*(look(n, arm, arm) for n in range(30)), look(30, arm, arm, stage=100, began=30)]
    assert run(plan, looks).reasons


def test_evidence_of_another_plan_is_refused() -> None:
    """Another alpha, another guardrail: neither folded on nor judged, and the message says what to do."""
    plan = plan_with(ERRORS, ACCURACY)
    evidence = update(plan, start(plan, "old", "new"), healthy(0))
    for other in (plan_with(ERRORS), plan.model_copy(update={"alpha_rollback": 0.5})):
        with pytest.raises(ValueError, match="gathered for another plan"):
            judge(other, evidence)
        with pytest.raises(ValueError, match="gathered for another plan"):
            update(other, evidence, healthy(1))


def test_swapped_arms_are_refused() -> None:
    """A candidate whose every answer is an error is not promoted by calling it stable."""
    broken = {"error_rate": counts(20, 20)}
    looks = [look(n, broken, {"error_rate": counts(0, 80)}) for n in range(10)]
    with pytest.raises(ValueError, match="are they swapped"):
        decide(plan_with(ERRORS), looks, stable="new", candidate="old")
    with pytest.raises(ValueError, match="does not fit stable 'older'"):
        decide(plan_with(ERRORS), looks, stable="older", candidate="new")


@pytest.mark.parametrize("tolerance", [0.0, 0.005, 0.02, 0.1])
def test_nothing_but_errors_ends_a_warm_up_whatever_is_tolerated(tolerance: float) -> None:
    """The exception to the warm-up holds at its first look."""
    plan = plan_with(Guardrail(metric="error_rate", limit=0.2, tolerance=tolerance), warmup_seconds=50)
    first = look(0, {"error_rate": counts(30, 30)}, {"error_rate": counts(0, 570)})
    assert Verdict.ROLL_BACK is run(plan, [first]).verdict


def test_a_warm_up_holds_what_is_tolerated_against_nobody() -> None:
    """9 % errors against 1 %: beyond three times as many, but within a tolerance of 10 points."""
    plan = plan_with(Guardrail(metric="error_rate", limit=0.2, tolerance=0.1), warmup_seconds=50)
    looks = [look(n, {"error_rate": counts(9, 100)}, {"error_rate": counts(4, 400)}) for n in range(40)]
    assert Verdict.CONTINUE is run(plan, looks).verdict


def test_a_tolerance_far_above_the_stable_rate_can_still_be_exceeded() -> None:
    """A stable model that never fails, 10 points tolerated, 40 % errors seen."""
    plan = plan_with(Guardrail(metric="error_rate", limit=0.9, tolerance=0.1))
    looks = [look(n, {"error_rate": counts(8, 20)}, {"error_rate": counts(0, 800)}) for n in range(5)]
    assert "worse than stable by more than 10 points" in run(plan, looks).reasons[0]


def shared(candidate: float, stable: float, count: int, spread: float) -> PairedMoments:
    """Return blocks both arms saw, with these means and one variance of the difference."""
    m2 = count * spread
    return PairedMoments(count=count, control_mean=stable, treatment_mean=candidate, control_m2=m2, treatment_m2=m2)


def test_blocks_count_and_not_the_units_in_them() -> None:
    """Accuracy 16 points lower over two blocks of hundreds of units: luck. Over a hundred such blocks: harm."""
    plan = plan_with(ACCURACY, stage_seconds=5000)

    def looks(number: int) -> list[Look]:
        units = {"accuracy": counts(222, 300)}, {"accuracy": counts(2700, 3000)}
        return [look(n, *units, paired={"accuracy": shared(0.74, 0.9, 1, 0.01)}) for n in range(number)]

    assert () == run(plan, looks(2)).triggers
    assert ("accuracy",) == run(plan, looks(100)).triggers
    assert 2 == run(plan, looks(2)).metrics[0].n_candidate


def test_from_the_first_shared_block_on_units_do_not_count() -> None:
    """Looks in which no block had closed came first: what their units said is dropped."""
    units = {"accuracy": counts(12, 20)}, {"accuracy": counts(72, 80)}
    first = [look(n, *units) for n in range(3)]
    then = look(3, *units, paired={"accuracy": shared(0.9, 0.9, 5, 0.05)})
    before, after = run(plan_with(ACCURACY), first).metrics[0], run(plan_with(ACCURACY), [*first, then]).metrics[0]
    assert before.log_e_rollback > 1 > after.log_e_rollback
    assert 5 == after.n_candidate


def test_blocks_of_one_arm_alone_count_by_their_share_of_wrong_answers() -> None:
    """Accuracy as means of blocks that no other arm shares: 50 blocks of 0.6 against 200 of 0.9."""
    new, old = Moments(count=10, mean=0.6, m2=0.5), Moments(count=40, mean=0.9, m2=1.0)
    decision = run(plan_with(ACCURACY), [look(n, {"accuracy": new}, {"accuracy": old}) for n in range(12)])
    assert ("accuracy",) == decision.triggers
    assert (0.6, 120) == (decision.metrics[0].candidate, decision.metrics[0].n_candidate)


def test_late_truths_are_no_proof_for_the_stage_they_come_in() -> None:
    """Answers of the 20 % stage were fine; at 50 % nothing is proven of accuracy until its own truths come."""
    plan = plan_with(ACCURACY, stages=(20, 50, 100))
    first = [look(n, {"accuracy": counts(18, 20)}, {"accuracy": counts(72, 80)}) for n in range(30)]
    assert Verdict.PROMOTE is run(plan, first).verdict
    earlier = {"new": {"accuracy": counts(18, 20)}, "old": {"accuracy": counts(72, 80)}}
    waiting = [
        look(n, stage=50, began=30, assignments={"new": 50, "old": 50}).model_copy(update={"earlier": earlier})
        for n in range(30, 60)
    ]
    decision = run(plan, [*first, *waiting])
    assert Verdict.CONTINUE is decision.verdict
    assert 0 == decision.metrics[0].n_candidate


def test_a_stage_that_waits_for_truths_says_for_how_many_and_how_long() -> None:
    """The fewest that could prove it, less those that came; without any it is all of them."""
    asked = {"new": 20, "old": 80}
    truths = [{"accuracy": counts(1, 1)} if n else {} for n in range(4)]
    looks = [look(n, truths[n], {"accuracy": counts(9, 10)}, assignments=asked) for n in range(4)]
    nothing, *_, some = [run(plan_with(ACCURACY), looks[: n + 1]).reasons for n in range(4)]
    assert nothing == (
        "1 of at most 60 s at 20 %",
        "candidate accuracy: no data in this stage; 29 more are needed at the least",
    )
    assert some[0] == "4 of at most 60 s at 20 %"
    assert some[1].endswith("3 outcomes; 26 more are needed at the least")


def test_late_truths_show_harm_all_the_same() -> None:
    """Answers of the stage before were wrong: that is found out although the stage has passed."""
    plan = plan_with(ERRORS, ACCURACY.model_copy(update={"proves": False}), stages=(20, 50, 100))
    fine = [look(n, {"error_rate": counts(0, 20)}, {"error_rate": counts(0, 80)}) for n in range(10)]
    earlier = {"new": {"accuracy": counts(12, 20)}, "old": {"accuracy": counts(72, 80)}}
    late = [
        look(n, {"error_rate": counts(0, 50)}, {"error_rate": counts(0, 50)}, stage=50, began=10).model_copy(
            update={"earlier": earlier}
        )
        for n in range(10, 30)
    ]
    assert ("accuracy",) == run(plan, [*fine, *late]).triggers
    paired = {"new": {"accuracy": shared(0.6, 0.9, 10, 0.02)}}
    pairs = [each.model_copy(update={"earlier": {}, "earlier_paired": paired}) for each in late]
    assert ("accuracy",) == run(plan, [*fine, *pairs]).triggers


def test_units_that_stay_with_their_model_are_divided_and_not_their_requests() -> None:
    """Ten busy units at the candidate ask for a third of the traffic; of 40 new units it has 8."""
    skewed = {"new": 35, "old": 65}
    by_request = [healthy(n, assignments=skewed) for n in range(40)]
    by_unit = [
        each.model_copy(update={"units": {"new": 8, "old": 32} if n == 0 else {}}) for n, each in enumerate(by_request)
    ]
    plan = plan_with(ERRORS, LATENCY, ACCURACY)
    assert Verdict.INCONCLUSIVE is run(plan, by_request).verdict
    decision = run(plan, by_unit)
    assert Verdict.PROMOTE is decision.verdict
    assert decision.sample_ratio is not None
    assert ("ok", "units", {"new": 8, "old": 32}) == (
        decision.sample_ratio.status,
        decision.sample_ratio.of,
        decision.sample_ratio.observed,
    )


def test_units_that_go_astray_hold_a_rollout() -> None:
    """Of 400 new units half come to a candidate that was given a fifth."""
    looks = [healthy(n).model_copy(update={"units": {"new": 20, "old": 20}}) for n in range(10)]
    decision = run(plan_with(ERRORS, LATENCY, ACCURACY), looks)
    assert Verdict.INCONCLUSIVE is decision.verdict
    assert "new got 200 units, 80 expected" in decision.reasons[0]


def test_a_wait_costs_no_power() -> None:
    """An hour's wait for a person between two stages: what is slow in the second is found as soon as without it."""
    plan = plan_with(
        LATENCY,
        stages=(5, 50, 100),
        approvals=(50,),
        approval_seconds=7200,
        stage_seconds=300,
        min_stage_seconds=60,
        check_seconds=30,
    )
    stable = {"latency": Histogram(edges=EDGES, counts=(900, 80, 20, 0, 0))}

    def slow_found(waited: int) -> int:
        evidence = start(plan, "old", "new")
        begin = 300 + waited
        for second in range(0, begin, 30):
            well = {"latency": Histogram(edges=EDGES, counts=(225, 20, 5, 0, 0))}
            evidence = update(plan, evidence, look(second, well, stable, stage=5))
        for number, second in enumerate(range(begin, begin + 1200, 30)):
            slower = {"latency": Histogram(edges=EDGES, counts=(180, 30, 20, 20, 0))}
            evidence = update(plan, evidence, look(second, slower, stable, stage=50, began=begin))
            if judge(plan, evidence).triggers:
                return number
        raise AssertionError("never found")

    assert slow_found(3600) <= slow_found(0) < 4


def test_what_slows_both_models_is_held_against_neither() -> None:
    """A tenth of all answers takes 150 ms from minute two on, whoever gave them; stable's usual p95 is 25 ms."""
    edges = (10.0, 25.0, 100.0, 125.0, 200.0, 400.0)
    fast = {"latency": Histogram(edges=edges, counts=(90, 10, 0, 0, 0, 0, 0))}
    slow = {"latency": Histogram(edges=edges, counts=(80, 10, 0, 0, 10, 0, 0))}
    plan = plan_with(LATENCY, stage_seconds=5000, min_stage_seconds=5000)
    before = [look(n, fast, fast) for n in range(12)]
    assert () == run(plan, [*before, *(look(n, slow, slow) for n in range(12, 60))]).triggers
    assert ("latency",) == run(plan, [*before, *(look(n, slow, fast) for n in range(12, 60))]).triggers


@pytest.mark.parametrize("tolerance", [0.0, 100.0])
def test_a_quantile_is_not_worse_for_what_lies_beyond_it(tolerance: float) -> None:
    """Both p95 are 12 ms; 2 % of the candidate's answers take 150 ms, which a p95 says nothing of."""
    edges = (5.0, 10.0, 25.0, 50.0, 100.0, 125.0, 200.0, 400.0)
    plan = plan_with(LATENCY.model_copy(update={"tolerance": tolerance}), stage_seconds=5000, min_stage_seconds=5000)
    fine = Histogram(edges=edges, counts=(500, 400, 100, 0, 0, 0, 0, 0, 0))
    tail = Histogram(edges=edges, counts=(500, 400, 80, 0, 0, 0, 20, 0, 0))
    slow = Histogram(edges=edges, counts=(500, 300, 100, 0, 0, 0, 100, 0, 0))
    for shown, triggers in ((tail, ()), (slow, ("latency",))):
        looks = [look(n, {"latency": shown}, {"latency": fine}) for n in range(20)]
        assert triggers == run(plan, looks).triggers


def test_a_late_fault_does_not_hide_behind_its_own_dispersion() -> None:
    """What the fault does to the candidate's looks tells nothing of how looks vary without it."""
    plan = plan_with(ACCURACY, stages=(75, 100), stage_seconds=5000, min_stage_seconds=5000)
    stable = {"accuracy": counts(135, 150)}
    looks = [look(n, {"accuracy": counts(405, 450)}, stable, stage=75) for n in range(10)]
    looks += [look(n, {"accuracy": counts(315, 450)}, stable, stage=75) for n in range(10, 14)]
    assert ("accuracy",) == run(plan, looks).triggers


def test_an_even_split_does_not_double_the_stable_models_luck() -> None:
    """Looks as large as those that told how outcomes vary vary as much: half of all traffic is no larger look."""
    plan = plan_with(ACCURACY, stages=(50, 100), stage_seconds=5000, min_stage_seconds=5000)
    unlucky = [counts(right, 100) for right in (70, 88, 74, 90, 78)]
    looks = [look(n, {"accuracy": counts(80, 100)}, {"accuracy": each}, stage=50) for n, each in enumerate(unlucky)]
    looks += [look(n, {"accuracy": counts(50, 100)}, {"accuracy": counts(80, 100)}, stage=50) for n in range(5, 10)]
    assert ("accuracy",) == run(plan, looks).triggers
