"""Two reports as a real rollout would leave them: one candidate promoted, one brought home."""

# ruff: noqa: E501 - sample sentences stand on one line

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from firstflight.domain.samples import NoData
from firstflight.report.data import (
    Approval,
    Arm,
    ArmShare,
    Chart,
    Comparison,
    Event,
    Fact,
    Figure,
    GuardrailCourse,
    GuardrailLook,
    Line,
    Link,
    MetricRow,
    ModelCard,
    Notice,
    Point,
    Recommendation,
    ReportData,
    SampleRatio,
    Stage,
    StageDecision,
    TrafficBin,
    Variant,
)

START = datetime(2026, 3, 2, 12, 0, 5, tzinfo=UTC)
STABLE, CANDIDATE, ENHANCED, SHADOW = (
    "baseline-predictor-v1",
    "lightweight-predictor-v3",
    "enhanced-predictor-v2",
    "shadow-predictor-v3",
)
CARD = """# lightweight v3

Predicts whether tomorrow's close is above today's.

| metric | test | majority class |
|---|---:|---:|
| AUC | 0.522 | 0.500 |
| MCC | 0.031 | 0.000 |

- **Trained on** `market-v1`, 2005-01-03 to 2014-06-30
- Not for trading: see [the facts](https://example.org/facts)

## Limits

It has seen no crash after 2018. <script>alert(1)</script> ![pixel](https://example.org/pixel.png)
"""


def at(seconds: float) -> datetime:
    """The moment `seconds` after the start."""
    return START + timedelta(seconds=seconds)


def stages(ladder: list[tuple[str, float]], end: float) -> tuple[Stage, ...]:
    """Stages that follow each other, the last until `end`."""
    ends = [since for _, since in ladder[1:]] + [end]
    return tuple(
        Stage(label=label, since=at(since), until=at(until)) for (label, since), until in zip(ladder, ends, strict=True)
    )


def share_at(spans: tuple[Stage, ...], moment: datetime) -> float:
    """The candidate's share of traffic at `moment`; in an A/B test a fifth."""
    label = next((span.label for span in spans if span.since <= moment < span.until), "0 %")
    return 0.2 if label == "A/B test" else float(label.split()[0]) / 100


def traffic(spans: tuple[Stage, ...], end: float, rate: float, rng: np.random.Generator) -> tuple[TrafficBin, ...]:
    """Bins of two seconds with Poisson arrivals at `rate` a second."""
    bins = []
    for second in np.arange(0, end, 2):
        share = share_at(spans, at(second))
        total = int(rng.poisson(2 * rate))
        requests = {CANDIDATE: int(rng.binomial(total, share))}
        if any(span.label == "A/B test" and span.since <= at(second) < span.until for span in spans):
            requests[ENHANCED] = int(0.3 * total)
        requests[STABLE] = total - sum(requests.values())
        bins.append(TrafficBin(at=at(float(second)), seconds=2, requests=requests))
    return tuple(bins)


def line(
    variant: str,
    label: str,
    level: float,
    noise: float,
    span: tuple[float, float],
    rng: np.random.Generator,
    *,
    dashed: bool = False,
) -> Line:
    """A noisy course around `level`."""
    points = tuple(
        Point(at=at(float(second)), value=max(0.0, level * (1 + noise * rng.normal())))
        for second in np.arange(*span, 5)
    )
    return Line(variant=variant, label=label, points=points, dashed=dashed)


def course(
    metric: str,
    unit: str,
    status: str,
    span: tuple[float, float],
    level: float,
    width: float,
    drift: tuple[float, float],
    begins: tuple[float, ...],
    **kinds: object,
) -> GuardrailCourse:
    """Evidence that drifts by `drift` (harm, proof) a second; proof and interval begin anew where stages do."""
    looks = []
    for second in np.arange(span[0], span[1], 5):
        passed = second - span[0] + 1
        fresh = second - max([since for since in begins if since <= second], default=span[0]) + 1
        half = width / math.sqrt(fresh)
        looks.append(
            GuardrailLook(
                at=at(float(second)),
                value=level + half * 0.3 * math.sin(passed / 9),
                low=None if fresh < 3 else max(level - half, -math.inf if "interval_of" in kinds else 0.0),
                high=None if fresh < 3 else level + half,
                log_e_rollback=drift[0] * passed,
                log_e_promote=drift[1] * fresh,
            )
        )
    values = {
        "metric": metric, "unit": unit, "status": status, "looks": tuple(looks), "interval_of": "candidate",
        "log_threshold_rollback": 4.38, "log_threshold_promote": 3.0, **kinds,
    }  # fmt: skip
    return GuardrailCourse.model_validate(values)


def compare(
    metric: str,
    unit: str,
    variant: str,
    control: float,
    treatment: float,
    half: float,
    n: int,
    p: float,
    *,
    lower: bool,
    **more: object,
) -> Comparison:
    """A comparison with a symmetric interval."""
    difference = treatment - control
    sign = -1 if lower else 1
    ends = sorted(100 * sign * (difference + side * half) / control for side in (-1, 1))
    values = {
        "metric": metric, "unit": unit, "control": Arm(variant=STABLE, n=5 * n, mean=control),
        "treatment": Arm(variant=variant, n=n, mean=treatment), "difference": difference,
        "difference_low": difference - half, "difference_high": difference + half,
        "improvement": 100 * sign * difference / control, "improvement_low": ends[0], "improvement_high": ends[1],
        "p_value": p, "significant": p < 0.05, **more,
    }  # fmt: skip
    return Comparison.model_validate(values)


@pytest.fixture(scope="session")
def promoted() -> ReportData:
    """An A/B test, six stages, an approval, a promotion."""
    return make_promoted()


@pytest.fixture(scope="session")
def rolled_back() -> ReportData:
    """A slow candidate, caught at 10 %."""
    return make_rolled_back()


def make_promoted() -> ReportData:
    """Build the promoted report."""
    rng = np.random.default_rng(7)
    end = 456.0
    ladder = [
        ("A/B test", 4.0),
        ("5 %", 124.0),
        ("10 %", 178.0),
        ("25 %", 232.0),
        ("50 %", 301.0),
        ("75 %", 352.0),
        ("100 %", 404.0),
    ]
    spans = stages(ladder, end)
    reason = (
        "latency p95 of lightweight-predictor-v3 is within 200 ms with certainty: 61 ms, at most 84 ms, in {n} requests"
    )
    names = [label for label, _ in ladder[1:]]
    begins = tuple(since for _, since in ladder[1:])
    return ReportData(
        title="Release of financial-predictor: lightweight v3 replaces baseline v1",
        model="financial-predictor",
        outcome="promoted",
        summary="lightweight-predictor-v3 passed all six stages and was approved by mara at 50 %; it now answers every request. It is certainly not worse than baseline-predictor-v1 and answers in 39 % less time.",
        reasons=(
            "error_rate of the candidate is within 1 % with certainty: 0.04 %, at most 0.41 %, in 6,120 requests.",
            "accuracy is not worse than stable by 5 points: difference +0.2 points, at least −3.1.",
            "profit is watched only: nothing found.",
        ),
        started_at=START,
        ended_at=at(end),
        written_at=at(end + 3),
        figures=(
            Figure(label="Serves now", value="lightweight v3", note="100 % since 12:07:41"),
            Figure(label="Time to promote", value="7 min 36 s", note="of which 21 s waiting for a person"),
            Figure(label="Requests answered", value="18,204", note="3 failed, all in baseline"),
            Figure(label="Latency p95", value="61 ms", note="baseline: 100 ms"),
        ),
        links=(
            Link(label="Flow run in Prefect", url="http://127.0.0.1:4200/runs/flow-run/8c0f"),
            Link(label="Model in MLflow", url="http://127.0.0.1:5000/#/models/financial-predictor"),
        ),
        variants=(
            Variant(name=CANDIDATE, role="candidate"),
            Variant(name=ENHANCED, role="variant"),
            Variant(name=STABLE, role="stable"),
            Variant(name=SHADOW, role="shadow"),
        ),
        stages=spans,
        timeline=(
            Event(at=at(0), what="A/B test started", actor="run sage-heron", detail="baseline 50 %, enhanced 30 %, lightweight 20 %, shadow lightweight"),
            Event(at=at(120), what="A/B test compared", actor="run sage-heron", detail="Try lightweight: not worse, and 39 % faster", tone="good"),
            Event(at=at(122), what="Canary started", actor="run sage-heron", detail="financial-predictor-r2, stages 5, 10, 25, 50, 75, 100 %"),
            *(Event(at=at(since + 50), what=f"{label} passed", actor="run sage-heron", detail=reason.format(n=f"{round(30 * since):,}"), tone="good") for label, since in ladder[1:4]),
            Event(at=at(282), what="Approval asked before 50 %", actor="run sage-heron"),
            Event(at=at(301), what="Approved by mara", actor="mara", detail="“Latency looks right; go.”", tone="good"),
            *(Event(at=at(since + 50), what=f"{label} passed", actor="run sage-heron", detail=reason.format(n=f"{round(30 * since):,}"), tone="good") for label, since in ladder[4:]),
            Event(at=at(end), what="Promoted", actor="run sage-heron", detail="champion → version 3; the router reports lightweight-predictor-v3 100 %", tone="good"),
        ),
        traffic=traffic(spans, end, 40, rng),
        charts=(
            Chart(
                title="Latency", unit="ms", limit=200,
                lines=(
                    line(STABLE, "p95", 100, 0.05, (4, 404), rng), line(STABLE, "p50", 61, 0.03, (4, 404), rng, dashed=True),
                    line(CANDIDATE, "p95", 61, 0.07, (4, end), rng), line(CANDIDATE, "p50", 34, 0.03, (4, end), rng, dashed=True),
                ),
            ),
            Chart(
                title="Error rate", unit="%", limit=1,
                lines=(line(STABLE, "", 0.05, 0.9, (4, 404), rng), line(CANDIDATE, "", 0.04, 0.9, (4, end), rng)),
            ),
            Chart(
                title="Accuracy", unit="%",
                lines=(line(STABLE, "", 52.3, 0.01, (30, 404), rng), line(CANDIDATE, "", 52.5, 0.015, (30, end), rng)),
                note="Outcomes arrive later than predictions; each instrument and day counts once.",
            ),
        ),
        guardrails=(
            course("error_rate", "%", "proven", (130, end), 0.1, 3.0, (-0.05, 0.09), begins, limit=1.0),
            course("latency p95", "ms", "proven", (130, end), 61, 240, (-0.2, 0.3), begins, limit=200.0),
            course("accuracy", "%", "proven", (130, end), 0.2, 20, (-0.01, 0.06), begins, interval_of="difference", margin=5.0, direction="higher_is_better"),
            course("profit", "", "watched", (130, end), 0.0001, 0.01, (-0.006, 0.0), begins, interval_of="difference", log_threshold_promote=None, direction="higher_is_better", note="Watched only: promotion does not wait for it."),
        ),
        recommendation=Recommendation(
            headline="Try lightweight: not worse in any guardrail, and faster",
            reasons=(
                "latency: 39 % less (38.2 to 39.9 %), p < 0.0001, more than the 5 % that matter.",
                "enhanced is no better at accuracy (−0.3 points, −2.9 to +2.3) and 61 % slower.",
            ),
        ),
        comparisons=(
            compare("latency mean", "ms", CANDIDATE, 61, 37.2, 0.5, 960, 1e-9, lower=True, practical=True, non_inferior=True, margin=10),
            compare("latency mean", "ms", ENHANCED, 61, 98.2, 0.8, 1440, 1e-9, lower=True, practical=True, non_inferior=False, margin=10),
            compare("accuracy", "%", CANDIDATE, 52.3, 52.5, 1.9, 960, 0.81, lower=False, non_inferior=True, margin=9.6),
            compare("accuracy", "%", ENHANCED, 52.3, 52.0, 2.6, 1440, 0.79, lower=False, non_inferior=True, margin=9.6),
            compare("profit", "", CANDIDATE, 0.00021, 0.00024, 0.0009, 960, 0.93, lower=False),
            compare("profit", "", ENHANCED, 0.00021, 0.00011, 0.0008, 1440, 0.78, lower=False),
        ),
        sample_ratio=SampleRatio(
            ok=True,
            sentence="4,804 requests were divided as planned; the test for a skewed split found nothing (evidence 0.3 of 6.9).",
            arms=(
                ArmShare(variant=STABLE, expected=0.5, observed=2391),
                ArmShare(variant=ENHANCED, expected=0.3, observed=1452),
                ArmShare(variant=CANDIDATE, expected=0.2, observed=961),
            ),
        ),
        decisions=tuple(
            StageDecision(
                stage=label, at=at(since + 50), verdict="PROMOTE", checks=10, reasons=(reason.format(n=f"{round(30 * since):,}"), "every guardrail that promotion needs is proven"),
                metrics=(
                    MetricRow(metric="error_rate", stable="0.05 %", candidate="0.04 %", interval="0 to 0.61 %", held_to="limit 1 %", status="proven"),
                    MetricRow(metric="latency p95", stable="100 ms", candidate="61 ms", interval="48 to 84 ms", held_to="limit 200 ms", status="proven"),
                    MetricRow(metric="accuracy", stable="52.3 %", candidate="52.5 %", interval="−3.1 to +3.4 points", held_to="margin −5 points", status="proven"),
                    MetricRow(metric="profit", stable="0.00021", candidate="0.00024", interval="−0.0009 to 0.001", held_to="nothing", status="watched"),
                ),
            )
            for label, since in ladder[1:]
        ),
        approvals=(Approval(stage=names[3], asked_at=at(282), answered_at=at(301), approver="mara", decision="approve", comment="Latency looks right; go."),),
        model_cards=(ModelCard(title="lightweight v3", markdown=CARD), ModelCard(title="baseline v1", markdown=CARD.replace("lightweight v3", "baseline v1"))),
        notices=(
            Notice(at=at(122), kind="started", text="financial-predictor: canary of lightweight-predictor-v3 started", delivered=False, where="log", reason="no Slack token configured: kept in the log and the report"),
            Notice(at=at(end), kind="promoted", text="financial-predictor: lightweight-predictor-v3 promoted", delivered=True, where="Slack channel #releases", reason="message 1772453261.000100"),
        ),
        provenance=(
            Fact(label="Rollout", value="financial-predictor-r2"),
            Fact(label="Digest served", value="sha256:" + "9f2c41aa" * 8),
            Fact(label="Training data", value="sha256:" + "0b77d2e4" * 8),
            Fact(label="Git commit", value="7e6aaf4"),
        ),
        plan={"model": "financial-predictor", "stages": [5, 10, 25, 50, 75, 100], "guardrails": [{"metric": "error_rate", "limit": 0.01}]},
    )  # fmt: skip


def make_rolled_back() -> ReportData:
    """Build the rolled-back report."""
    rng = np.random.default_rng(11)
    end, broken = 74.0, 38.0
    spans = stages([("5 %", 2.0), ("10 %", 32.0), ("0 %", 61.4)], end)
    slow = Line(
        variant=CANDIDATE,
        label="p95",
        points=tuple(
            Point(at=at(float(s)), value=None if s > 61 else (62 + 4 * rng.normal() if s < broken else 412 + 25 * rng.normal()))
            for s in np.arange(2, end, 3)
        ),
    )  # fmt: skip
    return ReportData(
        title="Canary of financial-predictor: lightweight v3 was slow and was brought home",
        model="financial-predictor",
        outcome="rolled back",
        summary="lightweight-predictor-v3 became slow at 10 % of traffic; 23.4 s later every request went to baseline-predictor-v1 again, which serves now.",
        reasons=("latency p95 is above 200 ms with certainty: 412 ms, at least 318 ms, in 118 requests of this stage.",),
        started_at=START,
        ended_at=at(end),
        written_at=at(end + 1),
        figures=(
            Figure(label="Serves now", value="baseline v1", note="100 %, read back from the router"),
            Figure(label="Time to detect", value="20.1 s", note="from the fault to the decision"),
            Figure(label="Decision to safety", value="3.3 s", note="0 requests reached the candidate after"),
            Figure(label="Harmed requests", value="96", note="of 2,960 in the rollout; slow, none failed"),
        ),
        links=(Link(label="Flow run in Prefect", url="http://127.0.0.1:4200/runs/flow-run/8c0f"),),
        variants=(Variant(name=CANDIDATE, role="candidate"), Variant(name=STABLE, role="stable")),
        stages=spans,
        timeline=(
            Event(at=at(0), what="Canary started", actor="run amber-lynx", detail="stages 5, 10, 25, 50, 75, 100 %"),
            Event(at=at(31), what="5 % passed", actor="run amber-lynx", tone="good"),
            Event(at=at(32), what="Traffic set", actor="run amber-lynx", detail="lightweight-predictor-v3 10 %, baseline-predictor-v1 90 %"),
            Event(at=at(58.1), what="ROLL BACK decided", actor="run amber-lynx", detail="latency p95 is above 200 ms with certainty", tone="bad"),
            Event(at=at(61.4), what="Traffic at stable, verified", actor="run amber-lynx", detail="the router reports baseline-predictor-v1 100 %", tone="good"),
            Event(at=at(62), what="Notice not delivered", actor="run amber-lynx", detail="Slack did not answer", tone="warning"),
            Event(at=at(end), what="Rolled back", actor="run amber-lynx", tone="bad"),
        ),
        traffic=traffic(spans, end, 40, rng),
        charts=(
            Chart(
                title="Latency", unit="ms", limit=200,
                lines=(line(STABLE, "p95", 101, 0.05, (2, end), rng), slow),
                note="The candidate's line ends where it had no more requests.",
            ),
            Chart(
                title="Error rate", unit="%", limit=1,
                lines=(line(STABLE, "", 0.05, 0.8, (2, end), rng), line(CANDIDATE, "", 0.0, 0.9, (2, 61), rng)),
            ),
        ),
        guardrails=(
            course("latency p95", "ms", "harm", (6, 59), 412, 600, (0.09, -0.2), (32.0,), limit=200.0),
            course("error_rate", "%", "undecided", (6, 59), 0.3, 9.0, (-0.05, 0.04), (32.0,), limit=1.0),
        ),
        sample_ratio=SampleRatio(ok=None, sentence="Too few requests to tell.", arms=(ArmShare(variant=CANDIDATE, expected=0.1, observed=118), ArmShare(variant=STABLE, expected=0.9, observed=1010))),
        decisions=(
            StageDecision(stage="5 %", at=at(31), verdict="PROMOTE", checks=6, reasons=("every guardrail that promotion needs is proven",)),
            StageDecision(
                stage="10 %", at=at(58.1), verdict="ROLL_BACK", checks=5,
                reasons=("latency p95 is above 200 ms with certainty: 412 ms, at least 318 ms, in 118 requests of this stage.",),
                metrics=(
                    MetricRow(metric="latency p95", stable="101 ms", candidate="412 ms", interval="318 to 560 ms", held_to="limit 200 ms", status="harm"),
                    MetricRow(metric="accuracy", stable="–", candidate="–", interval="–", held_to="margin −5 points", status="no data"),
                ),
            ),
        ),
        approvals=NoData(reason="The rollout ended before the first stage that a person approves (50 %)."),
        comparisons=NoData(reason="This rollout is a canary; the A/B test before it has a report of its own."),
        notices=(
            Notice(at=at(62), kind="rolled back", text="financial-predictor: lightweight-predictor-v3 rolled back at 10 %", delivered=False, where="Slack channel #releases", reason="Slack did not answer: timed out"),
        ),
        provenance=(Fact(label="Rollout", value="financial-predictor-r3"),),
    )  # fmt: skip
