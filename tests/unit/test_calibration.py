"""A sample of the calibration: few rollouts, wide bounds, each of which a broken gate would break.

The full tables are in docs/statistics.md; `python -m benchmarks.calibration.run` measures them.
"""

import numpy as np

from benchmarks.calibration.ours import PLAN, roll_out, watch
from benchmarks.calibration.peers import RULES, draw_rollouts
from benchmarks.calibration.worlds import FAULTS, HEALTHY, NULL_WORLDS
from firstflight.decision.decide import Verdict

AT_ONCE = PLAN.model_copy(update={"warmup_seconds": 0.0})
WORLDS = {world.name: world for world in FAULTS}


def test_healthy_candidates_are_promoted_and_rarely_rolled_back() -> None:
    """Of 40 healthy rollouts at most 2 roll back (chance below 1 in 100 at 1 %) and at least 37 are promoted."""
    outcomes = [roll_out(HEALTHY, seed) for seed in range(40)]
    assert sum(o.verdict is Verdict.ROLL_BACK for o in outcomes) <= 2
    assert sum(o.verdict is Verdict.PROMOTE for o in outcomes) >= 37
    assert np.median([o.seconds for o in outcomes]) <= 44 * 60


def test_disturbances_of_both_arms_do_not_matter() -> None:
    """Of 10 rollouts in each disturbed world, at most 4 of 40 roll back."""
    outcomes = [roll_out(world, seed) for world in NULL_WORLDS[1:] for seed in range(10)]
    assert sum(o.verdict is Verdict.ROLL_BACK for o in outcomes) <= 4


def test_faults_are_caught_in_time_and_never_promoted() -> None:
    """Median delays at 5 % of 20 requests/s, one look more than the table's; no rollout with them reaches 100 %."""
    for name, seconds in (("errors 0.1 → 2 %", 270), ("errors 0.1 → 5 %", 120), ("p95 80 → 250 ms", 60)):
        assert np.median([watch(WORLDS[name], seed, plan=AT_ONCE).seconds for seed in range(80)]) <= seconds
    faulty = [roll_out(WORLDS[name], seed) for name in ("errors 0.1 → 2 %", "accuracy -5 points") for seed in range(15)]
    assert not [o for o in faulty if o.verdict is Verdict.PROMOTE]


def test_the_rule_this_replaces_fails_in_the_same_world() -> None:
    """Naive Welch at each look rolls back most healthy rollouts here too: the world is not an easy one."""
    new, old = draw_rollouts(HEALTHY, np.random.default_rng(1), 40, (5, 10, 25, 50, 75), 60, 20.0, 30.0)
    assert np.mean(RULES["naive Welch at each look"](new, old, 60) < 10**9) > 0.6
