"""Tests of an A/B test's conclusion: what is shown, what is adopted, and why."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firstflight.analysis.moments import from_values, pairs_from_values
from firstflight.analysis.status import Status
from firstflight.comparison.compare import Comparison, MetricRow, Recommendation, choose, compare
from firstflight.domain.latency import EDGES, bucket, histogram
from firstflight.domain.plans import ABTestPlan, Guardrail
from firstflight.domain.samples import Counts, Histogram, Moments, NoData, PairedMoments, Sample
from firstflight.workloads.market.guardrails import GUARDRAILS
from firstflight.workloads.scores import LOG_LOSS

CONTROL, LIGHT, DEEP, SHADOW = "baseline-predictor-v1", "lightweight-predictor-v3", "enhanced-predictor-v2", "shadow-3"
PLAN = ABTestPlan(
    model="m",
    weights={"baseline": 50, "lightweight": 50},
    control="baseline",
    shadow=None,
    requests=10_000,
    guardrails=GUARDRAILS,
)
SPLIT = {CONTROL: 10_000, DEEP: 6000, LIGHT: 4000}
CHEAP = {CONTROL: 50_000.0, LIGHT: 5_000.0}


def latencies(count: int, p95: float) -> Histogram:
    """So many requests, a tenth of them at `p95` milliseconds, the rest at half of it."""
    places = [0] * (len(EDGES) + 1)
    places[bucket(p95 / 2)] += count - count // 10
    places[bucket(p95)] += count // 10
    return histogram(places)


def arm(
    requests: int = 5000,
    errors: int = 5,
    p95: float = 40.0,
    outcomes: int = 2000,
    correct: float = 0.53,
    **others: Sample,
) -> dict[str, Sample]:
    """What a healthy arm reports."""
    return {
        "error_rate": Counts(exposures=requests, events=errors),
        "latency": latencies(requests, p95),
        "accuracy": Counts(exposures=outcomes, events=round(outcomes * correct)),
        **others,
    }


def pairs(count: int, worse: int, better: int, rate: float = 0.53) -> PairedMoments:
    """Units both arms answered, of which the treatment alone was wrong in `worse` and right in `better`."""
    control = round(count * rate)
    treatment = control - worse + better
    both = control - worse
    c, t = control / count, treatment / count
    return PairedMoments(
        count=count,
        control_mean=c,
        treatment_mean=t,
        control_m2=count * c * (1 - c),
        treatment_m2=count * t * (1 - t),
        cross=both - count * c * t,
    )


def compared(
    light: Mapping[str, Sample],
    baseline: Mapping[str, Sample] | None = None,
    plan: ABTestPlan = PLAN,
    paired: Mapping[str, Mapping[str, Sample]] | None = None,
    **changes: Any,
) -> Comparison:
    """Compare one variant with the baseline."""
    arguments: dict[str, Any] = {
        "assignments": {CONTROL: 5000, LIGHT: 5000},
        "control": CONTROL,
        "weights": {CONTROL: 50, LIGHT: 50},
        "variants": {LIGHT: "lightweight"},
        **changes,
    }
    return compare(
        plan, samples={CONTROL: arm() if baseline is None else baseline, LIGHT: light}, paired=paired or {}, **arguments
    )


def advice(found: Comparison) -> Recommendation:
    """The recommendation on the only variant."""
    (only,) = found.recommendations
    return only


def row(found: Comparison, metric: str, *, paired: bool = False) -> MetricRow:
    """The row of one metric."""
    (only,) = [each for each in found.rows if each.metric == metric and each.paired == paired]
    return only


def with_guardrails(*guardrails: Guardrail) -> ABTestPlan:
    """The plan with other guardrails."""
    return PLAN.model_copy(update={"guardrails": guardrails})


def test_cheaper_at_proven_quality_is_adopted() -> None:
    """Every guardrail has its proof and an answer costs a tenth: adopt, with the figures."""
    found = compared(arm(), costs=CHEAP)
    assert ("adopt", "lightweight") == (advice(found).verdict, choose(found))
    assert (
        "cheaper: an answer costs 5,000 against 50,000 (−90 %)",
        (
            "error rate is within its limit: 0.1 % against 0.1 %; at most 0.21 %, limit 1 %, "
            "95 % confidence, 5,000 requests (control 5,000)"
        ),
        (
            "p95 latency is within its limit: 37.5 ms against 37.5 ms; at most 40 ms, limit 200 ms, "
            "95 % confidence, 5,000 requests (control 5,000)"
        ),
        (
            "accuracy is not worse: 53 % against 53 %; worse by at most 2.59 points, margin 5 points, "
            "95 % confidence, 2,000 outcomes (control 2,000)"
        ),
    ) == advice(found).reasons
    assert "adopt lightweight instead of baseline" == found.headline


def test_better_at_proven_quality_is_adopted() -> None:
    """A metric superior by more than the practical 5 % is reason enough."""
    found = advice(
        compared(
            arm(latency_mean=Moments(count=5000, mean=8.0, m2=5000.0)),
            arm(latency_mean=Moments(count=5000, mean=10.0, m2=5000.0)),
        )
    )
    assert ("adopt", ("latency_mean",)) == (found.verdict, found.better_on)
    assert found.reasons[0].startswith(
        "better: latency mean 8 ms against 10 ms, difference −2 ms, 95 % interval −2.04 to −1.96 ms, "
        "20 % better, adjusted p < 0.0001"
    )


def test_equal_and_no_cheaper_keeps_the_control() -> None:
    """No harm and no gain is no reason to change."""
    found = compared(arm(), costs={CONTROL: 5000.0, LIGHT: 4900.0})
    assert ("keep control", None) == (advice(found).verdict, choose(found))
    assert (
        "not worse than baseline, but no metric is better by 5 % or more, and an answer costs −2 %"
        == advice(found).reasons[0]
    )
    assert "keep baseline: no variant is worth adopting" == found.headline


def test_no_significant_difference_is_no_proof() -> None:
    """Few outcomes show no difference and prove nothing: inconclusive, whatever it costs."""
    found = compared(arm(outcomes=60), costs=CHEAP)
    assert not row(found, "accuracy").significant
    assert ("inconclusive", None) == (advice(found).verdict, choose(found))
    assert "accuracy is not shown to be good enough" in advice(found).reasons[0]
    assert "60 outcomes (control 2,000); some 550 would show it, if the difference stays" in advice(found).reasons[0]
    assert "inconclusive: keep baseline" == found.headline


def test_certain_harm_keeps_the_control() -> None:
    """Eight points fewer correct answers are harm, and said so with the interval."""
    found = advice(compared(arm(correct=0.45), costs=CHEAP))
    assert "keep control" == found.verdict
    assert found.reasons[0].startswith(
        "harm is certain: accuracy 45 % against 53 %, difference −8 points, 95 % interval −11.1 to"
    )


def test_a_loss_inside_the_margin_is_still_harm_unless_tolerated() -> None:
    """Three points are significant; with a tolerance of four, the plan lets them pass and names them."""
    big, small = arm(outcomes=20_000), arm(outcomes=20_000, correct=0.50)
    assert "keep control" == advice(compared(small, big, costs=CHEAP)).verdict
    tolerant = with_guardrails(Guardrail(metric="accuracy", direction="higher_is_better", margin=0.05, tolerance=0.04))
    found = advice(compared(small, big, tolerant, costs=CHEAP))
    assert "adopt" == found.verdict
    assert found.reasons[-1].startswith("worse, within what is tolerated: accuracy 50 % against 53 %")


def test_a_limit_passed_for_certain_keeps_the_control() -> None:
    """3 % errors are beyond 1 %, even where the control is no better."""
    found = advice(compared(arm(errors=150), arm(errors=150), costs=CHEAP))
    assert "keep control" == found.verdict
    assert (
        "error rate is beyond its limit: 3 % over 5,000 requests (control 5,000), limit 1 %, "
        "certain with 95 % confidence" in found.reasons
    )


def test_a_slow_quantile_keeps_the_control() -> None:
    """A p95 of 300 ms is beyond the limit of 200 ms; one that only may be is not proven."""
    slow = compared(arm(p95=300.0), costs=CHEAP)
    assert (True, "keep control") == (row(slow, "latency").beyond_limit, advice(slow).verdict)
    near = compared(arm(p95=200.0), arm(p95=200.0), costs=CHEAP)
    assert (False, True) == (row(near, "latency").beyond_limit, row(near, "latency").proof.shown)


def test_a_sample_ratio_mismatch_voids_everything() -> None:
    """Requests divided otherwise than planned: nothing may be trusted, however good it looks."""
    found = compared(arm(), assignments={CONTROL: 5400, LIGHT: 4600}, costs=CHEAP)
    assert (False, "inconclusive", None) == (found.sample_ratio.ok, advice(found).verdict, choose(found))
    (reason,) = advice(found).reasons
    assert f"nothing this test shows may be trusted: {found.sample_ratio.sentence}" == reason
    assert (
        "baseline / lightweight got 5,400 / 4,600 requests where 50 / 50 % were planned (not as planned, p < 0.0001)"
        == found.sample_ratio.sentence
    )


def test_absent_data_are_inconclusive_and_say_why() -> None:
    """A guardrail without data is neither zero nor healthy."""
    light = {**arm(), "accuracy": NoData(reason="no truth yet about 900 of the 900 answers")}
    found = advice(compared(light, costs=CHEAP))
    assert "inconclusive" == found.verdict
    assert "accuracy is unknown: no truth yet about 900 of the 900 answers" == found.reasons[0]


def test_nothing_at_all_is_inconclusive() -> None:
    """No sample, no assignment, no row that breaks."""
    found = compared({}, {}, assignments={})
    assert ("inconclusive", Status.NO_DATA) == (advice(found).verdict, found.sample_ratio.status)
    assert "the division of requests cannot be checked: no requests were seen" == found.sample_ratio.sentence
    assert all(each.status is Status.NO_DATA for each in found.rows)


def test_empty_samples_are_no_data() -> None:
    """Samples with nothing in them are told apart from zeros."""
    empty = arm(requests=0, errors=0, outcomes=0, brier=Moments(count=0), profit=Moments(count=0))
    found = compared(empty, empty, paired={LIGHT: {"accuracy": PairedMoments(count=0)}})
    assert {Status.NO_DATA} == {each.status for each in found.rows}
    assert "inconclusive" == advice(found).verdict


def test_pairs_on_the_same_units_are_preferred() -> None:
    """The shadow's pairs prove what the arm's own traffic cannot; both are shown, one decides."""
    found = compared(
        arm(outcomes=100),
        paired={SHADOW: {"accuracy": pairs(600, 15, 14), "brier": NoData(reason="none")}},
        shadows={SHADOW: "lightweight"},
        costs=CHEAP,
    )
    together, apart = row(found, "accuracy", paired=True), row(found, "accuracy")
    assert (True, False) == (together.primary, apart.primary)
    assert (SHADOW, None) == (together.treatment.served_name, apart.p_holm)
    assert "adopt" == advice(found).verdict
    assert "600 paired blocks" in advice(found).reasons[-1]


def test_pairs_that_never_differ_leave_the_word_to_the_traffic() -> None:
    """Where both arms always agree the pairs have no error to reckon with; the arms' own traffic decides."""
    found = compared(arm(), paired={LIGHT: {"accuracy": pairs(50, 0, 0)}}, costs=CHEAP)
    together = row(found, "accuracy", paired=True)
    assert (Status.ZERO_VARIANCE, False) == (together.status, together.primary)
    assert row(found, "accuracy").primary


def test_a_metric_that_no_guardrail_names_is_read_as_its_workload_says() -> None:
    """A lower log loss and a higher reward are better; what no workload knows is better when it is lower."""
    new, old = Moments(count=500, mean=2.0, m2=50.0), Moments(count=500, mean=1.0, m2=50.0)
    names = ("reward", "log_loss", "unheard_of")
    reward = LOG_LOSS.model_copy(update={"name": "reward", "direction": "higher_is_better"})
    found = compared(arm(**dict.fromkeys(names, new)), arm(**dict.fromkeys(names, old)), metrics=(LOG_LOSS, reward))
    effects = {name: row(found, name).effect for name in names}
    assert {"reward": "better", "log_loss": "worse", "unheard_of": "worse"} == effects


def test_a_variant_that_is_only_a_shadow_proves_nothing_of_its_service() -> None:
    """Its answers were thrown away: accuracy may be proven, errors and latency cannot."""
    found = compare(
        PLAN,
        samples={CONTROL: arm(), SHADOW: arm()},
        paired={SHADOW: {"accuracy": pairs(2000, 50, 50)}},
        assignments={CONTROL: 10_000},
        control=CONTROL,
        weights={CONTROL: 100},
        variants={},
        shadows={SHADOW: "lightweight"},
        costs={CONTROL: 9.0, SHADOW: 1.0},
    )
    assert "inconclusive" == advice(found).verdict
    assert "error rate is unknown: lightweight has no share of the traffic" == advice(found).reasons[0]
    assert (None, Status.NOT_APPLICABLE) == (found.sample_ratio.ok, found.sample_ratio.status)
    assert "fewer than two arms" in found.sample_ratio.sentence


def test_a_loss_no_guardrail_holds_is_named() -> None:
    """What is worse but unguarded stands among the reasons."""
    slower = Moments(count=5000, mean=11.0, m2=5000.0)
    found = advice(
        compared(arm(latency_mean=slower), arm(latency_mean=Moments(count=5000, mean=10.0, m2=5000.0)), costs=CHEAP)
    )
    assert "adopt" == found.verdict
    assert found.reasons[-1].startswith("worse, but held by no guardrail: latency mean 11 ms against 10 ms")


def test_a_short_test_is_named() -> None:
    """Fewer requests than planned are said so."""
    found = advice(compared(arm(), assignments={CONTROL: 2500, LIGHT: 2500}))
    assert "the test ended with 5,000 of 10,000 planned requests" == found.reasons[-1]


def test_a_guardrail_that_cannot_be_proven_is_named() -> None:
    """One that asks for proof without limit or margin can never be shown."""
    found = advice(compared(arm(), plan=with_guardrails(Guardrail(metric="error_rate")), costs=CHEAP))
    assert "inconclusive" == found.verdict
    assert "error rate asks for proof but the plan gives it neither a limit nor a margin" == found.reasons[0]


@pytest.mark.parametrize(("mean", "verdict"), [(0.004, "adopt"), (0.0005, "inconclusive"), (-0.004, "keep control")])
def test_a_business_metric_is_held_to_its_limit(mean: float, verdict: str) -> None:
    """Accuracy is proven; profit per block is certainly above, perhaps above, and certainly below its limit."""
    plan = with_guardrails(
        Guardrail(metric="profit", direction="higher_is_better", limit=0.0),
        Guardrail(metric="accuracy", direction="higher_is_better", margin=0.05),
    )
    earning = arm(profit=Moments(count=100, mean=mean, m2=0.01**2 * 99))
    assert verdict == advice(compared(earning, earning, plan, costs=CHEAP)).verdict


def test_few_blocks_are_reported_and_not_tested() -> None:
    """Below ten blocks a t-test leans on normal profits: the difference is shown, no p-value is."""
    nine = Moments(count=9, mean=1.0, m2=8.0)
    found = row(compared(arm(profit=nine), arm(profit=nine)), "profit")
    assert (Status.INSUFFICIENT_DATA, 0.0, None) == (found.status, found.difference, found.p_value)
    assert "9 values in an arm, at least 10 are needed for a test" == found.note


def test_improvement_is_positive_when_better() -> None:
    """A quarter less Brier score and a quarter more profit are both +25 %."""
    old = arm(brier=Moments(count=100, mean=0.24, m2=0.1), profit=Moments(count=100, mean=4.0, m2=99.0))
    new = arm(brier=Moments(count=100, mean=0.18, m2=0.1), profit=Moments(count=100, mean=5.0, m2=99.0))
    found = compared(new, old)
    for metric in ("brier", "profit"):
        each = row(found, metric)
        assert 25.0 == pytest.approx(each.improvement)
        assert 0 < (each.improvement_low or 0) < 25 < (each.improvement_high or 0)
        assert ("better", True, True) == (each.effect, each.significant, each.practical)
    assert {"brier", "profit"} == set(advice(found).better_on)


def test_a_control_that_earns_nothing_has_no_percent() -> None:
    """Around zero the improvement is not applicable, and the absolute difference stands."""
    found = row(
        compared(arm(profit=Moments(count=100, mean=5.0, m2=99.0)), arm(profit=Moments(count=100, mean=-1.0, m2=99.0))),
        "profit",
    )
    assert (None, 6.0) == (found.improvement, found.difference)
    assert (True, False) == (found.significant, found.practical)


@pytest.mark.parametrize(
    "other", [Moments(count=5, mean=1.0), Histogram(edges=(1.0,), counts=(2, 3)), Counts(exposures=1, events=0)]
)
def test_samples_of_different_kinds_are_not_compared(other: Sample) -> None:
    """A histogram has nothing to say to a mean, nor to one with other edges."""
    assert Status.NOT_APPLICABLE == row(compared({**arm(), "latency": other}), "latency").status


def test_an_arm_that_met_one_unit_of_each_block_is_compared_with_one_that_met_more() -> None:
    """The one reports a count, the other the means of its blocks."""
    found = row(
        compared(
            {**arm(), "accuracy": Counts(exposures=80, events=40)},
            {**arm(), "accuracy": Moments(count=100, mean=0.5, m2=9.0)},
        ),
        "accuracy",
    )
    assert (Status.OK, "Welch t", 0.0) == (found.status, found.test, found.difference)


def test_p_values_are_adjusted_over_variants_and_metrics_together() -> None:
    """With two variants every primary p-value is adjusted over all of them, and no other is."""
    plan = PLAN.model_copy(update={"weights": {"baseline": 50, "enhanced": 30, "lightweight": 20}})
    found = compare(
        plan,
        samples={CONTROL: arm(), DEEP: arm(3000, errors=9), LIGHT: arm(2000, errors=4)},
        paired={LIGHT: {"accuracy": pairs(500, 20, 10)}},
        assignments={CONTROL: 5000, DEEP: 3000, LIGHT: 2000},
        control=CONTROL,
        weights={CONTROL: 50, DEEP: 30, LIGHT: 20},
        variants={DEEP: "enhanced", LIGHT: "lightweight"},
    )
    tested = [each for each in found.rows if each.primary and each.p_value is not None]
    assert 6 == len(tested)
    smallest = min(each.p_value or 0 for each in tested)
    assert 6 * smallest == pytest.approx(min(each.p_holm or 0 for each in tested))
    assert all((each.p_value or 0) <= (each.p_holm or 0) for each in tested)
    assert all(each.p_holm is None for each in found.rows if not each.primary)
    assert ["enhanced", "lightweight"] == [each.variant for each in found.recommendations]


def test_of_several_the_one_better_on_more_is_chosen_then_the_cheaper() -> None:
    """Ties between adopted variants are broken by what they are better on, then by cost, then by order."""
    plan = PLAN.model_copy(update={"weights": {"baseline": 34, "enhanced": 33, "lightweight": 33}})

    def chosen(deep: Mapping[str, Sample], light: Mapping[str, Sample], costs: Mapping[str, float]) -> str | None:
        return choose(
            compare(
                plan,
                samples={CONTROL: arm(brier=Moments(count=2000, mean=0.25, m2=20.0)), DEEP: deep, LIGHT: light},
                paired={},
                assignments={CONTROL: 3400, DEEP: 3300, LIGHT: 3300},
                control=CONTROL,
                weights={CONTROL: 34, DEEP: 33, LIGHT: 33},
                variants={DEEP: "enhanced", LIGHT: "lightweight"},
                costs=costs,
            )
        )

    better, same = (Moments(count=2000, mean=mean, m2=20.0) for mean in (0.2, 0.25))
    costs = {CONTROL: 100.0, DEEP: 80.0, LIGHT: 10.0}
    assert "enhanced" == chosen(arm(brier=better), arm(brier=same), costs)
    assert "lightweight" == chosen(arm(brier=same), arm(brier=same), costs)
    assert "enhanced" == chosen(arm(brier=same), arm(brier=same), {**costs, LIGHT: 80.0})
    assert None is chosen(arm(brier=same), arm(brier=same), {})


def test_a_comparison_survives_json() -> None:
    """Written to the ledger and read back, it is the same."""
    found = compared(
        arm(profit=Moments(count=50, mean=1.0, m2=1.0)),
        paired={SHADOW: {"accuracy": pairs(600, 15, 14)}},
        shadows={SHADOW: "lightweight"},
        costs=CHEAP,
    )
    assert found == Comparison.model_validate(found.model_dump(mode="json"))
    assert found == Comparison.model_validate_json(found.model_dump_json())


arms = st.builds(
    lambda n, errors, p95, outcomes, correct: arm(n, min(errors, n), p95, outcomes, correct),
    st.integers(0, 10**9),
    st.integers(0, 10**9),
    st.floats(0.1, 20_000),
    st.integers(0, 10**6),
    st.floats(0, 1),
)


@given(arms, arms)
def test_whatever_comes_is_answered(light: dict[str, Sample], baseline: dict[str, Sample]) -> None:
    """All errors, none, nothing, a billion: every comparison ends in one verdict, and can be written down."""
    found = compared(light, baseline)
    assert found == Comparison.model_validate_json(found.model_dump_json())
    assert advice(found).reasons


@given(arms, arms)
def test_no_two_variants_harm_each_other(light: dict[str, Sample], baseline: dict[str, Sample]) -> None:
    """Exchanging the arms turns better into worse, row by row."""
    for one, other in zip(compared(light, baseline).rows, compared(baseline, light).rows, strict=True):
        assert one.p_value == pytest.approx(other.p_value) if one.p_value is not None else other.p_value is None
        if one.difference is not None:
            assert one.difference == pytest.approx(-(other.difference or 0.0))
        opposite = {"better": "worse", "worse": "better", "undecided": "undecided"}
        assert opposite[one.effect] == other.effect


@given(arms, st.integers(2, 100))
def test_more_of_the_same_never_lowers_proof(light: dict[str, Sample], times: int) -> None:
    """What is proven stays proven when the same is seen many times over."""

    def multiplied(samples: dict[str, Sample]) -> dict[str, Sample]:
        many: dict[str, Sample] = {}
        for name, sample in samples.items():
            if isinstance(sample, Counts):
                many[name] = Counts(exposures=sample.exposures * times, events=sample.events * times)
            elif isinstance(sample, Histogram):
                many[name] = histogram([count * times for count in sample.counts])
        return many

    before = {each.metric: each.proof for each in compared(light).rows}
    after = {each.metric: each.proof for each in compared(multiplied(light), multiplied(arm())).rows}
    for metric, proof in before.items():
        if proof and proof.shown:
            assert after[metric] is not None
            assert after[metric].shown


def test_a_candidate_on_the_margin_is_rarely_adopted() -> None:
    """Of 600 cheaper variants exactly five points worse about 5 % are adopted, of equal ones nearly all."""
    random = np.random.default_rng(17)
    tolerant = Guardrail(metric="accuracy", direction="higher_is_better", margin=0.05, tolerance=0.5)

    def adopted(correct: float) -> int:
        count = 0
        for _ in range(600):
            light, baseline = (
                {"accuracy": Counts(exposures=6000, events=int(random.binomial(6000, rate)))}
                for rate in (correct, 0.53)
            )
            count += advice(compared(light, baseline, with_guardrails(tolerant), costs=CHEAP)).verdict == "adopt"
        return count

    assert 14 <= adopted(0.48) <= 46  # three standard errors about 30
    assert adopted(0.53) >= 600 * 0.95


def timed(count: int, scale: float = 1.0, tail: float = 0.0) -> Histogram:
    """Latencies about 33 ms, `tail` of them six times as long."""
    draw = np.random.default_rng(7)
    places = [0] * (len(EDGES) + 1)
    for value in draw.lognormal(3.5, 0.4, count) * scale:
        places[bucket(value * 6 if draw.random() < tail else value)] += 1
    return histogram(places)


def three(**changes: Any) -> Comparison:
    """The comparison of three equal arms of the default split, but for what `changes` say."""
    arguments: dict[str, Any] = {
        "samples": {name: arm(count, outcomes=count) for name, count in SPLIT.items()} | changes.pop("arms", {}),
        "paired": {},
        "assignments": SPLIT,
        **changes,
    }
    return compare(
        ABTestPlan(model="m", control="baseline", guardrails=GUARDRAILS),
        control=CONTROL,
        weights={CONTROL: 50, DEEP: 30, LIGHT: 20},
        variants={DEEP: "enhanced", LIGHT: "lightweight"},
        **arguments,
    )


def verdicts(found: Comparison) -> dict[str, str]:
    """Variant → verdict."""
    return {one.variant: one.verdict for one in found.recommendations}


def test_a_faster_median_with_a_slower_tail_is_not_a_better_p95() -> None:
    """Mann-Whitney speaks of the distribution; a p95 that rose is never told as better."""
    found = compared({**arm(), "latency": timed(4000, 0.8, 0.045)}, {**arm(), "latency": timed(10_000)})
    latency = row(found, "latency")
    assert (True, "undecided") == (latency.significant, latency.effect)
    assert (latency.improvement or 0) < 0
    assert None is choose(found)


def test_a_p95_that_only_may_be_lower_is_not_better() -> None:
    """The distribution is faster for certain; while the quantile's own interval holds zero, nothing is gained."""
    found = compared({**arm(), "latency": timed(300, 0.85)}, {**arm(), "latency": timed(300)})
    latency = row(found, "latency")
    assert (True, True, "better") == (latency.significant, latency.practical, latency.effect)
    assert (latency.improvement_low or 0) <= 0
    assert ((), "keep control") == (advice(found).better_on, advice(found).verdict)


def test_a_faster_variant_is_adopted() -> None:
    """Distribution and p95 agree, and the p95's interval lies below the control's."""
    found = compared({**arm(), "latency": timed(4000, 0.6)}, {**arm(), "latency": timed(10_000)})
    assert ("lightweight", ("latency",)) == (choose(found), advice(found).better_on)


@pytest.mark.parametrize("guarded", [True, False], ids=["unproven", "unguarded"])
def test_cheaper_is_better_only_at_proven_quality(*, guarded: bool) -> None:
    """A lower cost is no gain while accuracy is not shown to be within a margin, even where no proof is asked for."""
    accuracy = Guardrail(metric="accuracy", direction="higher_is_better", margin=0.05, proves=False)
    plan = with_guardrails(Guardrail(metric="error_rate", limit=0.01), *([accuracy] if guarded else []))
    few = arm(outcomes=60)
    dear = advice(compared(few, few, plan, costs={CONTROL: 100.0, LIGHT: 200.0}))
    cheap = advice(compared(few, few, plan, costs=CHEAP))
    assert ("keep control", "inconclusive") == (dear.verdict, cheap.verdict)
    lack = "accuracy is not shown to be good enough" if guarded else "the plan gives no outcome a margin to be held to"
    assert cheap.reasons[0].startswith(f"cheaper, but not shown to be as good: {lack}")


@pytest.mark.parametrize("few", [False, True], ids=["shown", "not shown"])
def test_quality_is_that_of_whatever_the_plan_holds_to_a_margin(*, few: bool) -> None:
    """A model that ranks or predicts prices has no accuracy; each of several outcomes has to be shown."""
    error = Guardrail(metric="squared_error", margin=0.5, bounds=(0.0, 10.0), proves=False)
    accuracy = Guardrail(metric="accuracy", direction="higher_is_better", margin=0.05, proves=False)
    values = Moments(count=3 if few else 20_000, mean=1.0, m2=6.0 if few else 20_000.0)
    measured = arm(squared_error=values)
    for held in ((error,), (accuracy, error)):
        plan = with_guardrails(Guardrail(metric="error_rate", limit=0.01), *held)
        found = advice(compared(measured, measured, plan, costs=CHEAP))
        assert ("inconclusive" if few else "adopt") == found.verdict
        assert found.reasons[0].startswith(
            "cheaper, but not shown to be as good: squared error" if few else "cheaper: an answer costs"
        )


def test_pairs_of_a_shadow_prove_the_quality_of_the_cheaper() -> None:
    """As in the demo: accuracy need not prove itself, the arms hold too little truth, the shadow holds enough."""
    accuracy = Guardrail(metric="accuracy", direction="higher_is_better", margin=0.05, proves=False)
    plan = with_guardrails(Guardrail(metric="error_rate", limit=0.01), accuracy)
    draw = np.random.default_rng(3)
    old = draw.normal(0.53, 0.1, 150)
    evidence = pairs_from_values(old.tolist(), (old + draw.normal(0, 0.05, 150)).tolist())
    few = arm(outcomes=60)
    found = compared(
        few, few, plan, paired={SHADOW: {"accuracy": evidence}}, shadows={SHADOW: "lightweight"}, costs=CHEAP
    )
    assert ("adopt", True) == (advice(found).verdict, row(found, "accuracy", paired=True).primary)
    assert advice(found).reasons[0].startswith("cheaper: ")


def test_equal_variants_leave_the_control() -> None:
    """Nothing is adopted because nothing differs."""
    assert {"enhanced": "keep control", "lightweight": "keep control"} == verdicts(three())


@pytest.mark.parametrize("assignments", [{}, {CONTROL: 10_500, DEEP: 6000, LIGHT: 3500}], ids=["unknown", "skewed"])
def test_nothing_is_adopted_unless_traffic_was_divided_as_planned(assignments: dict[str, int]) -> None:
    """A mismatch voids the test, and so does not knowing."""
    found = three(assignments=assignments, costs={**CHEAP, DEEP: 10.0})
    assert {"enhanced": "inconclusive", "lightweight": "inconclusive"} == verdicts(found)
    assert None is choose(found)


def test_harm_outweighs_any_price() -> None:
    """Certain harm of one variant keeps the control before it, and leaves the other variant's verdict alone."""
    costs = {**CHEAP, DEEP: 1.0}
    for harmed in (arm(6000, errors=120), arm(6000, outcomes=6000, correct=0.45)):
        assert {"enhanced": "keep control", "lightweight": "adopt"} == verdicts(three(arms={DEEP: harmed}, costs=costs))


missing = st.just(NoData(reason="none"))
moments = st.lists(st.floats(-1e6, 1e6), max_size=30).map(from_values)
counts = st.builds(lambda n, share: Counts(exposures=n, events=int(n * share)), st.integers(0, 10**9), st.floats(0, 1))
spectra = st.lists(st.integers(0, 10**6), min_size=len(EDGES) + 1, max_size=len(EDGES) + 1).map(histogram)
some = st.fixed_dictionaries(
    {},
    optional={
        "error_rate": counts | missing,
        "latency": spectra | missing,
        "latency_mean": moments,
        "accuracy": counts | missing,
        "brier": moments,
        "profit": moments,
    },
)
blocks = st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), max_size=30).map(
    lambda both: pairs_from_values([c for c, _ in both], [t for _, t in both])
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    st.fixed_dictionaries({CONTROL: some, DEEP: some, LIGHT: some}),
    st.fixed_dictionaries({}, optional={"accuracy": blocks, "brier": blocks, "profit": blocks}),
    st.integers(0, 10**9),
)
def test_adoption_always_has_its_proof(arms: dict[str, Any], paired: dict[str, Sample], n: int) -> None:
    """Any samples give a comparison without NaN that survives JSON, and what is adopted has shown what was asked."""
    found = three(
        arms=arms,
        paired={SHADOW: paired},
        shadows={SHADOW: "lightweight"},
        assignments={CONTROL: n, DEEP: n // 2, LIGHT: n // 3},
        costs={**CHEAP, DEEP: 90_000.0},
    )
    written = json.dumps(found.model_dump(mode="json"), allow_nan=False)
    assert found == Comparison.model_validate_json(written)
    for one in found.recommendations:
        assert one.reasons
        if one.verdict == "adopt":
            rows = [each for each in found.rows if each.variant == one.variant and each.primary]
            proven = {each.metric for each in rows if each.proof and each.proof.shown}
            assert {each.metric for each in PLAN.guardrails if each.proves} <= proven


def test_a_billion_observations_are_as_easy_as_a_thousand() -> None:
    """Mean 1e6, standard deviation 1, a billion values an arm: the difference of 0.01 is found."""
    old, new = (Moments(count=10**9, mean=mean, m2=1e9 - 1) for mean in (1e6, 1e6 + 0.01))
    found = row(compared({"brier": new}, {"brier": old}), "brier")
    assert found.p_value is not None
    assert found.p_value < 1e-6
    assert 0.01 == pytest.approx(found.difference, rel=1e-6)


def tailed(count: int, fast: float, slow: float, share: float) -> Histogram:
    """Latencies spread about `fast` milliseconds, a share of them about `slow`."""
    draw = np.random.default_rng(5)
    centre = np.where(draw.random(count) < share, slow, fast)
    places = [0] * (len(EDGES) + 1)
    for value in centre * draw.lognormal(0, 0.15, count):
        places[bucket(value)] += 1
    return histogram(places)


def test_a_quantile_that_is_certainly_worse_is_harm_whatever_the_median_does() -> None:
    """p95 from 66 to some 180 ms with a faster median: half of the headroom is 67 ms, the interval lies above it."""
    found = compared(
        {**arm(), "latency": tailed(5000, 30, 185, 0.08)}, {**arm(), "latency": tailed(5000, 45, 55, 0.3)}, costs=CHEAP
    )
    latency = row(found, "latency")
    assert (False, True) == (latency.effect == "worse", latency.harmed)
    assert ("keep control", None) == (advice(found).verdict, choose(found))
    assert advice(found).reasons[0].startswith("harm is certain: p95 latency")


def test_a_quantile_within_half_of_its_headroom_is_named_and_no_harm() -> None:
    """p95 from 20 to 35 ms with a limit of 200 ms: what a canary lets pass, an A/B test does."""
    found = compared(
        {**arm(), "latency": tailed(5000, 28, 28, 0.0)}, {**arm(), "latency": tailed(5000, 16, 16, 0.0)}, costs=CHEAP
    )
    assert (False, "adopt") == (row(found, "latency").harmed, advice(found).verdict)
    assert advice(found).reasons[-1].startswith("worse, within what is tolerated: p95 latency")


def test_a_quantile_is_proven_by_its_limit_with_the_margin_added() -> None:
    """As in a canary: p95 of 40 ms against 10 is within 200 + 10 ms."""
    plan = with_guardrails(Guardrail(metric="latency", limit=200.0, quantile=0.95, margin=10.0))
    found = row(compared(arm(p95=40.0), arm(p95=10.0), plan), "latency")
    assert found.proof is not None
    assert ("limit", 210.0, True) == (found.proof.of, found.proof.held_to, found.proof.shown)


def test_a_comparison_recorded_with_more_fields_is_read() -> None:
    """Rows of earlier releases held effect sizes and another adjusted p-value."""
    found = compared(arm())
    old = found.model_dump(mode="json")
    old["rows"][0] |= {"p_bh": 0.5, "cohens_d": 0.1, "always_valid": {"low": 0.0, "high": 1.0}}
    assert found == Comparison.model_validate(old)


def test_answers_that_share_a_block_are_neither_harm_nor_proof_by_themselves() -> None:
    """Blocks of six answers (ICC 0.3), three by each arm: of 300 tests a few tell harm, or five points for nothing."""
    random = np.random.default_rng(23)
    spread = 1 / 0.3 - 1
    guarded = with_guardrails(Guardrail(metric="accuracy", direction="higher_is_better", margin=0.05, tolerance=0.049))

    def told(wrong: float, plan: ABTestPlan) -> list[Recommendation]:
        found = []
        for _ in range(300):
            luck = random.beta(0.8 * spread, 0.2 * spread, 250)
            old, new = random.binomial(3, luck) / 3, random.binomial(3, luck * (1 - wrong)) / 3
            means = {"accuracy": from_values(new)}, {"accuracy": from_values(old)}
            found.append(
                advice(compared(*means, plan, paired={LIGHT: {"accuracy": pairs_from_values(old, new)}}, costs=CHEAP))
            )
        return found

    equal = told(0.0, with_guardrails(Guardrail(metric="accuracy", direction="higher_is_better", margin=0.05)))
    assert sum("harm is certain" in one.reasons[0] for one in equal) <= 15  # three standard errors above 2.5 %
    assert sum(one.verdict == "adopt" for one in equal) > 240
    assert sum(one.verdict == "adopt" for one in told(0.05 / 0.8, guarded)) <= 26  # as many above 5 %
