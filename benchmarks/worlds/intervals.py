"""Whether the intervals that people are shown hold what is true, at every look."""

import math
from collections import defaultdict

import numpy as np

from benchmarks.worlds.courses import Course
from benchmarks.worlds.events import CANDIDATE, Events
from benchmarks.worlds.world import World
from firstflight.decision.verdicts import MetricVerdict


class Coverage:
    """Follows the stages of one rollout without a fault.

    True is: no difference between the models; the mean chance of failing that the requests seen really had; the p95 of
    the candidate, where the course leaves it alone. A stage counts as missed when any of its looks missed.
    """

    def __init__(self, world: World, course: Course) -> None:
        """Nothing has been seen."""
        still = bool(np.all(course.slowness == 1.0))
        self._p95 = (world.candidate or world.model).p95 if still else None
        self._risk, self._seen = 0.0, 0
        self._missed: dict[str, bool] = {}
        self.stages: defaultdict[str, int] = defaultdict(int)
        self.misses: defaultdict[str, int] = defaultdict(int)

    def count(self, requests: Events) -> None:
        """Take in the requests of a look that is judged."""
        mine = requests.risk[requests.arm == CANDIDATE]
        self._risk, self._seen = self._risk + float(mine.sum()), self._seen + mine.size

    def check(self, metrics: tuple[MetricVerdict, ...]) -> None:
        """Compare the intervals shown at a look with what is true."""
        for shown in metrics:
            true = self._true(shown)
            if true is None or (shown.low is None and shown.high is None):
                continue
            low, high = (
                shown.low if shown.low is not None else -math.inf,
                shown.high if shown.high is not None else math.inf,
            )
            self._missed[shown.metric] = self._missed.get(shown.metric, False) or not low <= true <= high

    def end_stage(self) -> None:
        """Add the stage up and begin another."""
        for metric, missed in self._missed.items():
            self.stages[metric] += 1
            self.misses[metric] += missed
        self._missed, self._risk, self._seen = {}, 0.0, 0

    def _true(self, shown: MetricVerdict) -> float | None:
        if shown.interval_of == "difference":
            return 0.0
        if shown.metric == "error_rate" and self._seen:
            return self._risk / self._seen
        return self._p95 if shown.metric == "latency" and shown.quantile == 0.95 else None
