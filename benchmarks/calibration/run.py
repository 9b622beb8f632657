"""Calibrate every rule in the same worlds and write what was measured.

    python -m benchmarks.calibration.run --runs 2000 --out docs/calibration.json

Seeded: the same arguments give the same table. About half an hour on one core for 2,000 runs.
"""

import argparse
import json
import math
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import beta

from benchmarks.calibration.ours import PLAN, Outcome, hold_out, roll_out, watch
from benchmarks.calibration.peers import NEVER, RULES, draw_rollouts, kayenta
from benchmarks.calibration.worlds import FAULTS, HEALTHY, NULL_WORLDS, World, later
from firstflight.decision.decide import Verdict

AT_ONCE = PLAN.model_copy(update={"warmup_seconds": 0.0})
STAGES = (5, 10, 25, 50, 75)
SLOW = ("errors 0.1 → 0.5 %", "accuracy -2 points")


def upper_limit(events: int, runs: int) -> float:
    """Return the one-sided 95 % Clopper-Pearson limit of a proportion."""
    return 1.0 if events == runs else float(beta.ppf(0.95, events + 1, runs - events))


def often(world: World, runs: int) -> int:
    """Return how many runs a fault gets: fewer where each takes an hour of looks and nothing is held to the figure."""
    return runs // (16 if world.name in SLOW else 4)


def _quantiles(values: list[float]) -> dict[str, float | None]:
    if not values:
        return {"median": None, "p95": None}
    return {
        "median": float(np.quantile(values, 0.5, method="inverted_cdf")),
        "p95": float(np.quantile(values, 0.95, method="inverted_cdf")),
    }


def whole(outcomes: list[Outcome]) -> dict[str, Any]:
    """Summarise whole rollouts."""
    runs = len(outcomes)
    verdicts = Counter(o.verdict for o in outcomes)
    back = verdicts[Verdict.ROLL_BACK]
    return {
        "runs": runs,
        "promoted": verdicts[Verdict.PROMOTE] / runs,
        "promoted_upper": upper_limit(verdicts[Verdict.PROMOTE], runs),
        "rolled_back": back / runs,
        "rolled_back_upper": upper_limit(back, runs),
        "held": verdicts[Verdict.INCONCLUSIVE] / runs,
        "minutes_to_promotion": _quantiles([o.seconds / 60 for o in outcomes if o.verdict is Verdict.PROMOTE]),
        "seconds_to_rollback": _quantiles([o.seconds for o in outcomes if o.verdict is Verdict.ROLL_BACK]),
        "harmed": _quantiles([float(o.harmed) for o in outcomes if o.verdict is Verdict.ROLL_BACK]),
        "triggers": {name: count / runs for name, count in Counter(t for o in outcomes for t in o.triggers).items()},
    }


def delays(outcomes: list[Outcome], since: float = 0.0) -> dict[str, Any]:
    """Summarise detection in one stage; a missed fault counts as infinitely late."""
    seconds = [o.seconds - since if o.verdict is Verdict.ROLL_BACK else math.inf for o in outcomes]
    found = {key: None if value is None or math.isinf(value) else value for key, value in _quantiles(seconds).items()}
    return {
        "runs": len(outcomes),
        "detected": sum(o.verdict is Verdict.ROLL_BACK for o in outcomes) / len(outcomes),
        "seconds": found,
        "harmed": _quantiles([float(o.harmed) for o in outcomes]),
    }


def peers_of(world: World, runs: int, stages: tuple[int, ...], per_stage: int, seed: int) -> dict[str, Any]:
    """Return, per rule, the share of rollouts rolled back and the delay in seconds."""
    found: dict[str, Any] = {}
    hits: dict[str, list[np.ndarray]] = {name: [] for name in (*RULES, "Kayenta-like")}
    for chunk in range(math.ceil(runs / 250)):
        rng = np.random.default_rng([seed, chunk])
        new, old = draw_rollouts(world, rng, min(250, runs - 250 * chunk), stages, per_stage, 20.0, 30.0)
        for name, rule in RULES.items():
            hits[name].append(rule(new, old, per_stage))
        if chunk == 0:
            hits["Kayenta-like"].append(kayenta(new, old, per_stage))
    for name, parts in hits.items():
        at = np.concatenate(parts)
        seconds = [math.inf if look == NEVER else (look + 1) * 30.0 for look in at.tolist()]
        quantiles = _quantiles(seconds)
        found[name] = {
            "runs": len(at),
            "rolled_back": float((at < NEVER).mean()),
            "seconds": {key: None if value is None or math.isinf(value) else value for key, value in quantiles.items()},
        }
    return found


def main() -> None:
    """Run all sections; the file is written after each, so a stopped run keeps what it has."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--first-seed", type=int, default=1_000_000, help="Seeds on which no constant was chosen.")
    parser.add_argument("--out", type=Path, default=Path("docs/calibration.json"))
    parser.add_argument("--only", nargs="*", help="Measure these sections anew and keep the others of the file.")
    arguments = parser.parse_args()
    runs, first, few = arguments.runs, arguments.first_seed, max(arguments.runs // 8, 20)
    kept = json.loads(arguments.out.read_text()) if arguments.only and arguments.out.exists() else {}
    results: dict[str, Any] = {**kept, "runs": runs, "first_seed": first, "plan": PLAN.model_dump(mode="json")}

    def seeds(number: int) -> range:
        return range(first, first + number)

    def section(name: str, measure: Callable[[], dict[str, Any]]) -> None:
        if arguments.only and name not in arguments.only:
            return
        begun = time.perf_counter()
        results[name] = measure()
        arguments.out.write_text(json.dumps(results, indent=1) + "\n")
        print(f"{name}: {time.perf_counter() - begun:,.0f} s", flush=True)

    section("healthy", lambda: {HEALTHY.name: whole([roll_out(HEALTHY, seed) for seed in seeds(runs)])})
    section(
        "disturbed",
        lambda: {
            w.name: whole([roll_out(w, seed) for seed in seeds(runs if w.cluster > 1 else runs // 2)])
            for w in NULL_WORLDS[1:]
        },
    )
    section(
        "policy on faults",
        lambda: {w.name: whole([roll_out(w, seed) for seed in seeds(often(w, runs))]) for w in FAULTS},
    )
    section(
        "detection",
        lambda: {w.name: delays([watch(w, seed, plan=AT_ONCE) for seed in seeds(often(w, runs))]) for w in FAULTS},
    )
    section(
        "detection after 5 min",
        lambda: {
            w.name: delays([watch(later(w, 300), s, plan=AT_ONCE) for s in seeds(few // 2)], since=300) for w in FAULTS
        },
    )
    for rate in (200.0, 1.0):
        worlds = (HEALTHY, *FAULTS)
        section(
            f"{rate:g} requests/s",
            lambda rate=rate, worlds=worlds: {
                w.name: whole([roll_out(w, s, rate) for s in seeds(runs // 4 if w is HEALTHY else few // 4)])
                for w in worlds
            },
        )
        section(
            f"detection at {rate:g} requests/s",
            lambda rate=rate: {w.name: delays([watch(w, s, rate, AT_ONCE) for s in seeds(few // 4)]) for w in FAULTS},
        )
    section(
        "held to the full time", lambda: {HEALTHY.name: whole([hold_out(HEALTHY, seed) for seed in seeds(few // 2)])}
    )
    section("peers, healthy", lambda: peers_of(HEALTHY, runs, STAGES, 60, 1))
    section("peers, detection", lambda: {w.name: peers_of(w, few, (5, 5, 5, 5), 60, 2) for w in FAULTS})
    section("peers, disturbed", lambda: {w.name: peers_of(w, few, STAGES, 60, 3) for w in NULL_WORLDS[1:]})


if __name__ == "__main__":
    main()
