"""Fold what was seen into the samples of a look, as `firstflight.observation.source` promises them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from benchmarks.worlds.events import ARMS, CANDIDATE, STABLE, Bools, Events, Floats, earned, right, squared_error
from benchmarks.worlds.records import Seen
from firstflight.domain.latency import EDGES, histogram
from firstflight.domain.samples import Counts, Look, Moments, NoData, PairedMoments, Sample, Window

BEGAN = datetime(2026, 1, 5, tzinfo=UTC)
METRICS = ("error_rate", "latency", "latency_mean", "accuracy", "brier", "profit")
NOTHING = NoData(reason="nothing of the kind in this window")


def moment(seconds: float) -> datetime:
    """Return the time of day of a second of the rollout."""
    return BEGAN + timedelta(seconds=seconds)


def fold(seen: Seen, names: Mapping[int, str], *, since: int, until: int, stage: int, stage_began: int) -> Look:
    """Return the look of one window; `names` are the served names by arm."""
    asked = np.bincount(seen.requests.arm, minlength=2)
    here = seen.judged.stage == stage
    earlier = {names[arm]: _of_outcomes(seen.judged.where(~here & (seen.judged.arm == arm))) for arm in ARMS}
    pairs = _pairs(seen.pairs, seen.pairs.stage == stage)
    earlier_pairs = _pairs(seen.pairs, seen.pairs.stage != stage)
    return Look(
        at=moment(until),
        window=Window(since=moment(since), until=moment(until)),
        stage=stage,
        stage_started_at=moment(stage_began),
        weights={names[CANDIDATE]: stage, names[STABLE]: 100 - stage},
        assignments={names[arm]: int(asked[arm]) for arm in ARMS if asked[arm]},
        samples={
            names[arm]: {
                **dict.fromkeys(METRICS, NOTHING),
                **_of_requests(seen.requests.where(seen.requests.arm == arm)),
                **_of_outcomes(seen.judged.where(here & (seen.judged.arm == arm))),
            }
            for arm in ARMS
        },
        paired={names[CANDIDATE]: pairs} if pairs else {},
        earlier={name: found for name, found in earlier.items() if found},
        earlier_paired={names[CANDIDATE]: earlier_pairs} if earlier_pairs else {},
        units=None if seen.units is None else {names[arm]: seen.units[arm] for arm in ARMS},
    )


def _of_requests(requests: Events) -> dict[str, Sample]:
    if not len(requests):
        return {}
    buckets = np.bincount(np.searchsorted(EDGES, requests.latency), minlength=len(EDGES) + 1)
    return {
        "error_rate": Counts(exposures=len(requests), events=int(requests.failed.sum())),
        "latency": histogram(buckets.tolist()),
        "latency_mean": _moments(requests.latency),
    }


def _of_outcomes(judged: Events) -> dict[str, Sample]:
    """Return the outcome metrics of units of closed blocks, a block one observation."""
    if not len(judged):
        return {}
    correct = right(judged.prediction, judged.truth).astype(float)
    blocks = {
        metric: _moments(block_means(judged, values))
        for metric, values in (
            ("accuracy", correct),
            ("brier", squared_error(judged.prediction, judged.truth)),
            ("profit", earned(judged.prediction, judged.payoff)),
        )
    }
    if blocks["accuracy"].count < len(judged):
        return dict(blocks)
    return {**blocks, "accuracy": Counts(exposures=len(judged), events=int(correct.sum()))}


def _pairs(events: Events, of_stage: Bools) -> dict[str, Sample]:
    """Return, per metric, both models' means over each block: of the units both answered, or else of each one's own.

    `of_stage` says which of the candidate's answers count; the stable model's count whenever they were given.
    """
    both = events.where(np.isfinite(events.mirrored) & of_stage)
    if len(both):
        mine = both.arm == CANDIDATE
        control, treatment = (
            replace(both, prediction=np.where(mine == first, both.mirrored, both.prediction)) for first in (True, False)
        )
    else:
        control = events.where(events.arm == STABLE)
        treatment = events.where((events.arm == CANDIDATE) & of_stage)
        common = np.intersect1d(control.block, treatment.block)
        control, treatment = (part.where(np.isin(part.block, common)) for part in (control, treatment))
    if not len(treatment):
        return {}
    return {
        "accuracy": _paired(*(block_means(one, right(one.prediction, one.truth)) for one in (control, treatment))),
        "brier": _paired(*(block_means(one, squared_error(one.prediction, one.truth)) for one in (control, treatment))),
        "profit": _paired(*(block_means(one, earned(one.prediction, one.payoff)) for one in (control, treatment))),
    }


def block_means(events: Events, values: Floats | Bools) -> Floats:
    """Return the mean of `values` in each block that has any."""
    number = events.block - events.block.min()
    size = np.bincount(number)
    sums = np.bincount(number, weights=values)
    return np.asarray(sums[size > 0] / size[size > 0])


def _moments(values: Floats) -> Moments:
    mean = float(values.mean())
    return Moments(count=values.size, mean=mean, m2=float(np.square(values - mean).sum()))


def _paired(control: Floats, treatment: Floats) -> PairedMoments:
    c, t = float(control.mean()), float(treatment.mean())
    return PairedMoments(
        count=control.size,
        control_mean=c,
        treatment_mean=t,
        control_m2=float(np.square(control - c).sum()),
        treatment_m2=float(np.square(treatment - t).sum()),
        cross=float(((control - c) * (treatment - t)).sum()),
    )
