"""What predictions turned out to be worth, and which still wait for that, as metrics."""

import logging
import math
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from prometheus_client.core import Metric

from firstflight.domain.errors import FirstflightError
from firstflight.observation.scored import Scored, ScoredAnswers
from firstflight.observation.store_source import StoreSource
from firstflight.observation.waiting import Labels, labels
from firstflight.rollout.machine import Rollout
from firstflight.telemetry.catalogue import described
from firstflight.telemetry.families import Family, family
from firstflight.workloads.find import find
from firstflight.workloads.workload import Exported, Workload

log = logging.getLogger(__name__)

DAYS = 1.0
"""Of the answers that are looked at for their truths."""
LEAST_SECONDS, IDLE = 60.0, 20
"""Between two looks at all of them, which cost the more the more there are; that much longer than one takes."""
Arm = tuple[str, str]


@dataclass
class _Worth:
    """What the answers of one model were worth by one exported metric."""

    counts: Counter[int] = field(default_factory=Counter)
    gained: float = 0.0
    lost: float = 0.0

    def add(self, exported: Exported, value: float) -> None:
        self.counts[bisect_left(exported.buckets, value) if exported.buckets else int(value)] += 1
        self.gained += max(value, 0.0)
        self.lost += max(-value, 0.0)


@dataclass
class _Counted:
    """What was counted of one model, up to what became known at `seen`."""

    seen: datetime
    answers: int = 0
    worths: defaultdict[str, _Worth] = field(default_factory=lambda: defaultdict(_Worth))


class Worths:
    """What answers turned out to be worth since this began, by the metrics their workloads export.

    Of the models of the last rollouts alone, so that there are as many series as models are served, and not as many
    as there ever were.
    """

    def __init__(self, scored: ScoredAnswers) -> None:
        """Count from 0."""
        self._scored = scored
        self._begun: datetime | None = None
        self._counted: dict[Arm, _Counted] = {}

    def told(self, rollouts: Mapping[str, Rollout]) -> Iterator[Metric]:
        """Count what is new and yield all; raises an Outage."""
        begun = self._begun = self._begun or self._scored.now()
        arms = [(route, name) for route, rollout in rollouts.items() for name in _names(rollout)]
        self._counted = {arm: self._counted.get(arm) or _Counted(begun) for arm in arms}
        workloads = {route: _workload(rollout.plan.workload) for route, rollout in rollouts.items()}
        answers = family("firstflight_scored_answers")
        for (route, name), counted in self._counted.items():
            for one in self._scored.after(route, name, counted.seen):
                _count(counted, one, workloads[route])
            answers.add((route, name), counted.answers)
        yield answers
        exports = {each.name: each for known in workloads.values() if known is not None for each in known.exports}
        for exported in exports.values():
            yield from self._of(exported)

    def _of(self, exported: Exported) -> Iterator[Metric]:
        families = [Family(one) for one in described(exported)]
        for arm, counted in self._counted.items():
            if (worth := counted.worths.get(exported.name)) is None:
                continue
            if not exported.buckets:
                for value in (1, 0):
                    families[0].add((*arm, str(value)), worth.counts[value])
                continue
            counts = [worth.counts[place] for place in range(len(exported.buckets) + 1)]
            families[0].add_histogram(arm, exported.buckets, counts)
            families[1].add(arm, worth.gained)
            families[2].add(arm, worth.lost)
        yield from families


class Waiting:
    """How truths stand, looked at seldom enough to leave the database to others."""

    def __init__(self, url: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Keep the address; the first call asks."""
        self._url = url
        self._monotonic = monotonic
        self._due = 0.0
        self._known: Labels | None = None

    def told(self) -> Iterator[Metric]:
        """Yield what was found the last time; raises an Outage."""
        now = self._monotonic()
        if self._known is None or now >= self._due:
            self._known = None
            self._known = labels(self._url, DAYS)
            took = self._monotonic() - now
            self._due = now + max(LEAST_SECONDS, IDLE * took)
        truths, waiting = family("firstflight_truths"), family("firstflight_predictions_waiting")
        since = family("firstflight_predictions_waiting_since_timestamp_seconds")
        delay = family("firstflight_truth_delay_seconds")
        for result, count in self._known.told.items():
            truths.add((result,), count)
        for one in self._known.models:
            waiting.add((one.route,), one.waiting)
            if one.oldest_waiting is not None:
                since.add((one.route,), one.oldest_waiting.timestamp())
            for quantile, seconds in (("0.5", one.delay_p50), ("0.95", one.delay_p95)):
                if seconds is not None:
                    delay.add((one.route, quantile), seconds)
        yield from (truths, waiting, since, delay)


def complete(source: StoreSource) -> Iterator[Metric]:
    """Yield up to when predictions are stored; nothing before any was. Raises an Outage."""
    until = family("firstflight_predictions_complete_timestamp_seconds")
    if (window := source.watermark("")) is not None:
        until.add((), window.until.timestamp())
    yield until


def _count(counted: _Counted, one: Scored, workload: Workload | None) -> None:
    counted.seen, counted.answers = one.at, counted.answers + 1
    if workload is None or not workload.exports:
        return
    try:
        values = workload.score(one.prediction, one.truth, one.payoff)
    except (ValueError, ArithmeticError):  # it cannot be scored, and so it has no worth
        return
    for exported in workload.exports:
        if math.isfinite(value := values.get(exported.metric, math.nan)):
            counted.worths[exported.name].add(exported, value)


def _names(rollout: Rollout) -> tuple[str, ...]:
    shadow = (rollout.arms.shadow_name,) if rollout.arms.shadow_name else ()
    return (*rollout.arms.names, *shadow)


def _workload(name: str) -> Workload | None:
    """Return the workload called `name`, None when there is none here: its answers are counted all the same."""
    try:
        return find(name)
    except FirstflightError as error:
        log.warning("%s", error)
    except Exception:  # somebody's own code, that is run by its import, hides no other metric
        log.exception("workload %r cannot be imported", name)
    return None
