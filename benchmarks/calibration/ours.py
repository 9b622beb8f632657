"""Whole rollouts decided by the very functions that decide live ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from benchmarks.calibration.worlds import EDGES, Arm, World, draw
from firstflight.decision.decide import Verdict, judge, start, update
from firstflight.domain.plans import CanaryPlan, Guardrail
from firstflight.domain.samples import Counts, Histogram, Look, Moments, Sample, Window

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)

PLAN = CanaryPlan(
    model="simulated",
    approvals=(),
    guardrails=(
        Guardrail(metric="error_rate", limit=0.01),
        Guardrail(metric="latency", limit=200.0, quantile=0.95),
        Guardrail(metric="accuracy", direction="higher_is_better", margin=0.05),
        Guardrail(metric="timeout_rate", proves=False),
        Guardrail(metric="brier", proves=False),
    ),
)
"""The plan's stages, times and limits, with five guardrails."""


@dataclass(frozen=True)
class Outcome:
    """How one rollout ended, when (seconds), at which stage, for which reason, and what it cost in bad requests."""

    verdict: Verdict
    seconds: float
    percent: int
    triggers: tuple[str, ...]
    harmed: int


def _samples(arm: Arm) -> dict[str, Sample]:
    requests = int(arm.requests[0])
    return {
        "error_rate": Counts(exposures=requests, events=int(arm.errors[0])),
        "latency": Histogram(edges=EDGES, counts=tuple(arm.latency[0].tolist())),
        "accuracy": Counts(exposures=requests, events=int(arm.right[0])),
        "timeout_rate": Counts(exposures=requests, events=int(arm.timeouts[0])),
        "brier": Moments(count=requests, mean=float(arm.brier[0]), m2=0.0225 * max(requests - 1, 0)),
    }


def looks(
    world: World, rng: np.random.Generator, rate: float, check: float, begun: float, percent: int
) -> Iterator[tuple[Look, Arm]]:
    """Yield the looks of one stage that began `begun` seconds into the rollout, and what the candidate did."""
    total = round(rate * check)
    stage_started_at = BEGIN + timedelta(seconds=begun)
    elapsed = 0.0
    while True:
        treated = rng.binomial(total, percent / 100)
        middle = elapsed + check / 2
        candidate = draw(world, rng, np.array([treated]), begun + middle, middle, candidate=True)
        stable = draw(world, rng, np.array([total - treated]), begun + middle, middle, candidate=False)
        since = stage_started_at + timedelta(seconds=elapsed)
        elapsed += check
        until = stage_started_at + timedelta(seconds=elapsed)
        yield (
            Look(
                at=until,
                window=Window(since=since, until=until),
                stage=percent,
                stage_started_at=stage_started_at,
                weights={"candidate": percent, "stable": 100 - percent},
                assignments={"candidate": treated, "stable": total - treated},
                samples={"candidate": _samples(candidate), "stable": _samples(stable)},
            ),
            candidate,
        )


def bad_requests(world: World, arm: Arm) -> int:
    """Return how many of the candidate's requests were of the kind its fault spoils."""
    if world.candidate_errors > world.errors:
        return int(arm.errors[0])
    if world.candidate_p95 > world.p95:
        return int(arm.latency[0][EDGES.index(200.0) + 1 :].sum())
    return int(arm.requests[0] - arm.right[0])


def roll_out(world: World, seed: int, rate: float = 20.0, plan: CanaryPlan = PLAN) -> Outcome:
    """Run one rollout to its end as the canary flow does: PROMOTE leads to the next stage, anything else ends it."""
    rng = np.random.default_rng(seed)
    evidence = start(plan, "stable", "candidate")
    begun, harmed = 0.0, 0
    for percent in plan.stages:
        for look, arm in looks(world, rng, rate, plan.check_seconds, begun, percent):
            evidence = update(plan, evidence, look)
            harmed += bad_requests(world, arm)
            decision = judge(plan, evidence)
            if decision.verdict is not Verdict.CONTINUE:
                break
        begun += look.stage_elapsed
        if decision.verdict is not Verdict.PROMOTE:
            break
    return Outcome(decision.verdict, begun, percent, decision.triggers, harmed)


def watch(world: World, seed: int, rate: float = 20.0, plan: CanaryPlan = PLAN, percent: int = 5) -> Outcome:
    """Look at one stage that never ends until harm is certain, or for 360 looks: the delay of detection alone."""
    rng = np.random.default_rng(seed)
    evidence = start(plan, "stable", "candidate")
    harmed = 0
    for number, (look, arm) in enumerate(looks(world, rng, rate, plan.check_seconds, 0.0, percent), start=1):
        evidence = update(plan, evidence, look)
        harmed += bad_requests(world, arm)
        if evidence.harmed or number == 360:
            break
    verdict = Verdict.ROLL_BACK if evidence.harmed else Verdict.INCONCLUSIVE
    return Outcome(verdict, number * plan.check_seconds, percent, evidence.harmed, harmed)


def hold_out(world: World, seed: int, rate: float = 20.0, plan: CanaryPlan = PLAN) -> Outcome:
    """Look through every stage for its whole time, never promoted early: the most looks a healthy candidate can get."""
    rng = np.random.default_rng(seed)
    evidence = start(plan, "stable", "candidate")
    for stage, percent in enumerate(plan.stages):
        begun = stage * plan.stage_seconds
        for look, _arm in looks(world, rng, rate, plan.check_seconds, begun, percent):
            evidence = update(plan, evidence, look)
            if evidence.harmed:
                return Outcome(Verdict.ROLL_BACK, begun + look.stage_elapsed, percent, evidence.harmed, 0)
            if look.stage_elapsed >= plan.stage_seconds:
                break
    return Outcome(Verdict.CONTINUE, len(plan.stages) * plan.stage_seconds, percent, (), 0)
