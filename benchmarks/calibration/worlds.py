"""Simulated traffic of a stable model and a candidate: what every rule is shown.

One draw gives what both arms did in one look. Latency is lognormal, counted in the buckets of the default
histogram; errors, slow answers and right answers are independent given the rates of the look, and the worlds say how
the rates move.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

EDGES = (5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 150.0, 200.0, 250.0, 300.0, 400.0, 500.0, 750.0, 1000.0, 2500.0)
SIGMA = 0.5


@dataclass(frozen=True)
class World:
    """How both arms behave; candidate rates hold from `onset` seconds into the rollout on, stable ones before."""

    name: str
    errors: float = 0.001
    candidate_errors: float = 0.001
    p95: float = 80.0
    candidate_p95: float = 80.0
    accuracy: float = 0.90
    candidate_accuracy: float = 0.90
    timeouts: float = 0.002
    onset: float = 0.0
    burst_shape: float | None = None
    drifts: bool = False
    cluster: int = 1
    cold_seconds: float = 0.0


HEALTHY = World("healthy")
NULL_WORLDS = (
    HEALTHY,
    World("bursty errors in each arm", burst_shape=0.2),
    World("drift in both arms", drifts=True),
    World("correlated outcomes", cluster=5),
    World("cold start", cold_seconds=120.0),
)
FAULTS = (
    World("errors 0.1 → 2 %", candidate_errors=0.02),
    World("errors 0.1 → 5 %", candidate_errors=0.05),
    World("errors 0.1 → 0.5 %", candidate_errors=0.005),
    World("errors 0.1 → 1 %", candidate_errors=0.01),
    World("p95 80 → 250 ms", candidate_p95=250.0),
    World("p95 80 → 200 ms", candidate_p95=200.0),
    World("accuracy -5 points", candidate_accuracy=0.85),
    World("accuracy -2 points", candidate_accuracy=0.88),
)


def later(world: World, seconds: float) -> World:
    """Return the world with its fault beginning only then."""
    return replace(world, name=f"{world.name}, from {seconds / 60:.0f} min on", onset=seconds)


@dataclass(frozen=True)
class Arm:
    """What one arm did in one look, or in an array of looks; `latency` has one count per bucket last."""

    requests: NDArray[np.int64]
    errors: NDArray[np.int64]
    timeouts: NDArray[np.int64]
    latency: NDArray[np.int64]
    right: NDArray[np.int64]
    brier: NDArray[np.float64]


@cache
def bucket_shares(p95: float) -> NDArray[np.float64]:
    """Return the share of each bucket for a lognormal latency with that 95 % quantile."""
    centre = np.log(p95) - norm.ppf(0.95) * SIGMA
    return np.diff(norm.cdf((np.log(EDGES) - centre) / SIGMA), prepend=0.0, append=1.0)


def draw(
    world: World, rng: np.random.Generator, requests: NDArray[np.int64], at: float, in_stage: float, *, candidate: bool
) -> Arm:
    """Draw one look of one arm for an array of runs; `at` and `in_stage` are seconds at the middle of the look."""
    faulty = candidate and at >= world.onset
    errors = world.candidate_errors if faulty else world.errors
    p95 = world.candidate_p95 if faulty else world.p95
    accuracy = world.candidate_accuracy if faulty else world.accuracy
    timeouts = world.timeouts
    if world.drifts:
        share = min(at / 3600, 1.0)
        errors, p95, accuracy = errors * (1 + 4 * share), round(p95 * (1 + 0.5 * share)), accuracy - 0.05 * share
    if candidate and in_stage < world.cold_seconds:
        errors, p95 = 2 * errors, 1.5 * p95
    rates = np.full(requests.shape, errors)
    slow = np.full(requests.shape, timeouts)
    if world.burst_shape is not None:
        rates = np.minimum(rates * rng.gamma(world.burst_shape, 1 / world.burst_shape, requests.shape), 1.0)
        slow = np.minimum(slow * rng.gamma(world.burst_shape, 1 / world.burst_shape, requests.shape), 1.0)
    clusters = rng.binomial(requests // world.cluster, 0.3) if world.cluster > 1 else np.zeros_like(requests)
    right = world.cluster * rng.binomial(clusters, accuracy) + rng.binomial(
        requests - world.cluster * clusters, accuracy
    )
    return Arm(
        requests=requests,
        errors=rng.binomial(requests, rates),
        timeouts=rng.binomial(requests, slow),
        latency=rng.multinomial(requests, bucket_shares(p95)),
        right=right,
        brier=rng.normal(0.10, 0.15 / np.sqrt(np.maximum(requests, 1))),
    )
