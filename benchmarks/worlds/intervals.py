"""Whether the intervals that people are shown hold what is true, at every look."""

import math
from collections import defaultdict

import numpy as np

from benchmarks.worlds.courses import Course
from benchmarks.worlds.events import ARMS, CANDIDATE, Events
from benchmarks.worlds.faults import LIMIT_ERRORS, LIMIT_P95, Fault
from benchmarks.worlds.service import models_of
from benchmarks.worlds.world import World
from firstflight.decision.verdicts import MetricVerdict

_ROUNDING = 1e-9


class Coverage:
    """Follows the stages of one rollout without a fault.

    True is: no difference between the models; the mean chance of failing that the requests seen really had; the p95 of
    the candidate, where the course leaves it alone. Where labels are lost, the models' averages over what was judged of
    each do differ, and the interval is of that difference. A stage counts as missed when any of its looks missed.
    """

    def __init__(self, world: World, course: Course) -> None:
        """Nothing has been seen."""
        still = bool(np.all(course.slowness == 1.0))
        self._p95 = (world.candidate or world.model).p95 if still else None
        self._easiness = course.easiness if course.lost.any() else None
        self._accuracy = world.model.accuracy, (world.candidate or world.model).accuracy  # by arm
        self._begin()
        self.stages: defaultdict[str, int] = defaultdict(int)
        self.misses: defaultdict[str, int] = defaultdict(int)

    def _begin(self) -> None:
        self._missed: dict[str, bool] = {}
        self._risk, self._seen = 0.0, 0
        self._right, self._judged = np.zeros(len(ARMS)), np.zeros(len(ARMS))

    def count(self, requests: Events, judged: Events) -> None:
        """Take in the requests of a look that counts, and the answers of this stage that were judged in it."""
        mine = requests.risk[requests.arm == CANDIDATE]
        self._risk, self._seen = self._risk + float(mine.sum()), self._seen + mine.size
        if self._easiness is not None:
            for arm in ARMS:
                asked = judged.arrived[judged.arm == arm].astype(np.int64)
                self._right[arm] += self._accuracy[arm] * float(self._easiness[asked].sum())
                self._judged[arm] += asked.size

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
        self._begin()

    def _true(self, shown: MetricVerdict) -> float | None:
        if shown.interval_of == "difference":
            if self._easiness is None or shown.metric != "accuracy" or not self._judged.all():
                return 0.0
            stable, candidate = self._right / self._judged
            return float(candidate - stable)
        if shown.metric == "error_rate" and self._seen:
            return self._risk / self._seen
        return self._p95 if shown.metric == "latency" and shown.quantile == 0.95 else None


class AtTheLine:
    """Follows a candidate that a fault puts exactly at a limit: whether it really was within it, over what was seen.

    Where a day has better hours and worse ones, a stage of half an hour may well be one of the better.
    """

    def __init__(self, world: World, fault: Fault, course: Course) -> None:
        """Nothing has been seen."""
        after = models_of(world, fault)[1][CANDIDATE]
        self._exceeds = world.latency.above(LIMIT_P95 / after.p95 / course.slowness)
        self._risk = self._slow = self._seen = 0.0

    def count(self, requests: Events) -> None:
        """Take in the requests of a look that counts."""
        mine = requests.where(requests.arm == CANDIDATE)
        self._risk += float(mine.risk.sum())
        self._slow += float(self._exceeds[mine.arrived.astype(np.int64)].sum())
        self._seen += len(mine)

    def within(self, metric: str) -> bool:
        """Return whether fewer of the requests seen were to fail, or to be slow, than the limit allows."""
        if metric == "error_rate":
            return self._risk < self._seen * LIMIT_ERRORS * (1 - _ROUNDING)
        return metric == "latency" and self._slow < self._seen * 0.05 * (1 - _ROUNDING)
