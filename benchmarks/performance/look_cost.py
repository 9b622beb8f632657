"""What one look costs, whatever the traffic, beside scipy on the raw samples.

    python benchmarks/performance/look_cost.py

Two candidates and a stable model, ten guardrails each: six counts, two latencies, two means. Times are processor time,
the best of several repeats, in the same run; only their ratios travel to another machine.
"""

import json
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from scipy import stats

from firstflight.decision.decide import judge, start, update
from firstflight.domain.plans import CanaryPlan, Guardrail
from firstflight.domain.samples import Counts, Histogram, Look, Moments, Sample, Window

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
EDGES = (5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 150.0, 200.0, 250.0, 300.0, 400.0, 500.0, 750.0, 1000.0, 2500.0)
PLAN = CanaryPlan(
    model="cost",
    warmup_seconds=0,
    guardrails=(
        *(Guardrail(metric=f"errors_{n}", limit=0.01) for n in range(4)),
        *(Guardrail(metric=f"accuracy_{n}", direction="higher_is_better", margin=0.05) for n in range(2)),
        *(Guardrail(metric=f"latency_{n}", limit=200.0, quantile=0.95) for n in range(2)),
        *(Guardrail(metric=f"brier_{n}", margin=0.02) for n in range(2)),
    ),
)
SHARES = np.array([0, 1, 9, 40, 25, 14, 8, 2, 0.5, 0.3, 0.1, 0.05, 0.03, 0.02, 0, 0])


def samples(n: int) -> dict[str, Sample]:
    """Return what one arm reports of `n` requests."""
    counts = tuple(int(c) for c in np.round(SHARES / SHARES.sum() * n))
    found: dict[str, Sample] = {}
    for guardrail in PLAN.guardrails:
        kind = guardrail.metric.split("_")[0]
        found[guardrail.metric] = {
            "errors": Counts(exposures=n, events=n // 1000),
            "accuracy": Counts(exposures=n, events=9 * n // 10),
            "latency": Histogram(edges=EDGES, counts=counts),
            "brier": Moments(count=n, mean=0.1, m2=0.0225 * n),
        }[kind]
    return found


def looks(n: int, number: int) -> list[Look]:
    """Return so many looks in which the candidate answers `n` requests altogether and the stable model as many."""
    each = samples(n // number)
    return [
        Look(
            at=BEGIN + timedelta(seconds=30 * (k + 1)),
            window=Window(since=BEGIN + timedelta(seconds=30 * k), until=BEGIN + timedelta(seconds=30 * (k + 1))),
            stage=50,
            stage_started_at=BEGIN,
            weights={"new": 50, "old": 50},
            assignments={"new": n // number, "old": n // number},
            samples={"new": each, "old": each},
        )
        for k in range(number)
    ]


def best(act: Callable[[], object], repeats: int = 7, times: int = 20) -> float:
    """Return the seconds of one act, the best mean of several repeats."""
    found = []
    for _ in range(repeats):
        begun = time.process_time()
        for _ in range(times):
            act()
        found.append((time.process_time() - begun) / times)
    return min(found)


def measure(n: int, number: int = 10) -> dict[str, Any]:
    """Return the cost of the last of ten looks over `n` requests per arm, two candidates together."""
    *before, last = looks(n, number)
    evidence = start(PLAN, "old", "new")
    for look in before:
        evidence = update(PLAN, evidence, look)
    after = update(PLAN, evidence, last)
    return {
        "requests_per_arm": n,
        "update_ms": 2e3 * best(lambda: update(PLAN, evidence, last)),
        "judge_ms": 2e3 * best(lambda: judge(PLAN, after)),
        "state_bytes": len(after.model_dump_json()),
    }


def scipy_on_samples(n: int) -> dict[str, Any]:
    """Return the cost of scipy's tests on the raw samples of the same look: 10 metrics, two candidates."""
    rng = np.random.default_rng(1)
    new, old = rng.random(n), rng.random(n)
    seconds = best(lambda: stats.ttest_ind(new, old, equal_var=False), repeats=3, times=2)
    return {"requests_per_arm": n, "welch_ms": 20e3 * seconds, "bytes": 20 * (new.nbytes + old.nbytes)}


def main() -> None:
    """Print the figures as JSON."""
    ours = [measure(n) for n in (10**3, 10**6, 10**9)]
    report = {"python": platform.python_version(), "ours": ours, "scipy": [scipy_on_samples(n) for n in (10**3, 10**6)]}
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
