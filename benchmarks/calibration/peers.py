"""The rules others use, over arrays of whole rollouts: when, if ever, does each roll back?

Simplified to what decides: the three metrics of the plan, its limits (error rate 1 %, p95 200 ms, accuracy 85 %), and
stages that all last their full time. Every rule returns the index of the look at which it rolls back, or NEVER.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from benchmarks.calibration.worlds import EDGES, Arm, World, draw

NEVER = 10**9
Looks = NDArray[np.int64]

_CENTRES = np.sqrt(np.array([2.5, *EDGES]) * np.array([*EDGES, 5000.0]))


def draw_rollouts(
    world: World,
    rng: np.random.Generator,
    runs: int,
    stages: tuple[int, ...],
    per_stage: int,
    rate: float,
    check: float,
) -> tuple[Arm, Arm]:
    """Return candidate and stable for `runs` rollouts, arrays of shape (runs, looks)."""
    looks: list[tuple[Arm, Arm]] = []
    for stage, percent in enumerate(stages):
        for number in range(per_stage):
            middle = (number + 0.5) * check
            at = stage * per_stage * check + middle
            treated = rng.binomial(round(rate * check), percent / 100, runs)
            rest = round(rate * check) - treated
            looks.append(
                (
                    draw(world, rng, treated, at, middle, candidate=True),
                    draw(world, rng, rest, at, middle, candidate=False),
                )
            )
    fields = Arm.__dataclass_fields__
    stacked = [
        Arm(**{name: np.stack([getattr(pair[side], name) for pair in looks], axis=1) for name in fields})
        for side in (0, 1)
    ]
    return stacked[0], stacked[1]


def _first(failed: NDArray[np.bool_]) -> Looks:
    """Return the index of the first True of each run."""
    return np.where(failed.any(axis=1), failed.argmax(axis=1), NEVER)


def _by_stage(values: NDArray[np.float64], per_stage: int) -> NDArray[np.float64]:
    """Return sums since the beginning of the stage."""
    shaped = values.reshape(values.shape[0], -1, per_stage)
    return shaped.cumsum(axis=2).reshape(values.shape)


def _welch(new: Arm, old: Arm, per_stage: int) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return (harm as a share of the control, two-sided p) of each metric at each look, cumulated over the stage."""
    found = []
    for metric in ("errors", "latency", "right"):
        arms = []
        for arm in (new, old):
            n = _by_stage(arm.requests.astype(float), per_stage)
            if metric == "latency":
                total = _by_stage(arm.latency @ _CENTRES, per_stage)
                squares = _by_stage(arm.latency @ (_CENTRES**2), per_stage)
            else:
                total = squares = _by_stage(getattr(arm, metric).astype(float), per_stage)
            mean = total / np.maximum(n, 1)
            variance = np.maximum(squares - n * mean**2, 0) / np.maximum(n - 1, 1)
            arms.append((n, mean, variance / np.maximum(n, 1)))
        (n1, m1, v1), (n0, m0, v0) = arms
        with np.errstate(divide="ignore", invalid="ignore"):
            freedom = (v1 + v0) ** 2 / (v1**2 / np.maximum(n1 - 1, 1) + v0**2 / np.maximum(n0 - 1, 1))
            p = 2 * t.sf(np.abs(m1 - m0) / np.sqrt(v1 + v0), np.nan_to_num(freedom, nan=1.0))
            harm = (m1 - m0) / m0 if metric != "right" else (m0 - m1) / m0
        found.append((np.nan_to_num(harm, posinf=1e9), np.nan_to_num(p, nan=1.0)))
    return found


def naive_welch(new: Arm, old: Arm, per_stage: int) -> Looks:
    """Welch's t-test at p < 0.05 at every look, on the stage so far."""
    return _first(np.any([(harm > 0) & (p < 0.05) for harm, p in _welch(new, old, per_stage)], axis=0))


def plan_rule(new: Arm, old: Arm, per_stage: int) -> Looks:
    """The plan's rule: the same, and a change of at least 5 %."""
    return _first(np.any([(harm >= 0.05) & (p < 0.05) for harm, p in _welch(new, old, per_stage)], axis=0))


def fixed_horizon(new: Arm, old: Arm, per_stage: int) -> Looks:
    """One Welch test at the end of each stage."""
    failed = np.any([(harm > 0) & (p < 0.05) for harm, p in _welch(new, old, per_stage)], axis=0)
    at_end = np.zeros(failed.shape, bool)
    at_end[:, per_stage - 1 :: per_stage] = True
    return _first(failed & at_end)


def _window_failures(new: Arm, looks: int) -> list[NDArray[np.bool_]]:
    """Return, per metric and window of so many looks, whether the candidate's own value is beyond its limit."""

    def windows(values: NDArray[np.int64]) -> NDArray[np.float64]:
        usable = values.shape[1] // looks * looks
        return values[:, :usable].reshape(values.shape[0], -1, looks).sum(axis=2).astype(float)

    n = np.maximum(windows(new.requests), 1)
    slow = windows(new.latency[:, :, EDGES.index(200.0) + 1 :].sum(axis=2))
    return [windows(new.errors) / n > 0.01, slow / n > 0.05, windows(new.right) / n < 0.85]


def counting(threshold: int, *, window: int = 2) -> Callable[[Arm, Arm, int], Looks]:
    """Return a rule that rolls back once a metric has failed its limit in so many windows, never forgetting one.

    Flagger's failed checks accumulate over the whole canary (`threshold` 5 and 10, windows of 1 min); Argo Rollouts'
    `failureLimit` 3 is exceeded by the fourth failure.
    """

    def rule(new: Arm, _old: Arm, _per_stage: int) -> Looks:
        failed = np.any([f.cumsum(axis=1) >= threshold for f in _window_failures(new, window)], axis=0)
        found = _first(failed)
        return np.where(found == NEVER, NEVER, (found + 1) * window - 1)

    return rule


def kayenta(new: Arm, old: Arm, per_stage: int, every: int = 10) -> Looks:
    """Kayenta's Mann-Whitney classifier every 5 min: a 98 % interval of the shift beyond a quarter of itself.

    Judged on one value per look and metric, as Kayenta judges time series.
    """

    def series(arm: Arm) -> list[NDArray[np.float64]]:
        n = np.maximum(arm.requests, 1)
        return [arm.errors / n, arm.latency @ _CENTRES / n, 1 - arm.right / n]

    found = np.full(new.requests.shape[0], NEVER)
    pairs = list(zip(series(new), series(old), strict=True))
    for run in range(len(found)):
        for end in range(every, new.requests.shape[1] + 1, every):
            begin = (end - 1) // per_stage * per_stage
            if end - begin < every:
                continue
            if any(_is_high(a[run, begin:end], b[run, begin:end]) for a, b in pairs):
                found[run] = end - 1
                break
    return found


def _is_high(new: NDArray[np.float64], old: NDArray[np.float64]) -> bool:
    shifts = np.sort(np.subtract.outer(new, old).ravel())
    n, m = len(new), len(old)
    spread = np.sqrt(n * m * (n + m + 1) / 12)
    order = max(int(n * m / 2 - norm.ppf(0.99) * spread), 0)
    return bool(shifts[order] > 0.25 * abs(np.median(shifts)))


RULES: dict[str, Callable[[Arm, Arm, int], Looks]] = {
    "naive Welch at each look": naive_welch,
    "plan's rule (Welch, and 5 %)": plan_rule,
    "fixed horizon": fixed_horizon,
    "Flagger-like, threshold 5": counting(5),
    "Flagger-like, threshold 10": counting(10),
    "Argo-like, failureLimit 3": counting(4),
}
