"""Fold what was seen into the samples of a look, as `firstflight.observation.source` promises them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np

from benchmarks.worlds.events import ARMS, CANDIDATE, STABLE, Events, Floats, earned, right, squared_error
from benchmarks.worlds.records import Seen
from firstflight.domain.latency import EDGES, histogram
from firstflight.domain.samples import Counts, Look, Moments, NoData, PairedMoments, Sample, Window

BEGAN = datetime(2026, 1, 5, tzinfo=UTC)
NOTHING = NoData(reason="nothing of the kind in this window")


def moment(seconds: float) -> datetime:
    """Return the time of day of a second of the rollout."""
    return BEGAN + timedelta(seconds=seconds)


def fold(
    seen: Seen, names: Mapping[int, str], *, since: int, until: int, stage: int, stage_began: int, mirrored: bool
) -> Look:
    """Return the look of one window; `names` are the served names by arm."""
    asked = np.bincount(seen.requests.arm, minlength=2)
    return Look(
        at=moment(until),
        window=Window(since=moment(since), until=moment(until)),
        stage=stage,
        stage_started_at=moment(stage_began),
        weights={names[CANDIDATE]: stage, names[STABLE]: 100 - stage},
        assignments={names[arm]: int(asked[arm]) for arm in ARMS if asked[arm]},
        samples={names[arm]: _samples(seen, arm) for arm in ARMS},
        paired={names[CANDIDATE]: _pairs(seen.closed)} if mirrored else {},
    )


def _samples(seen: Seen, arm: int) -> dict[str, Sample]:
    requests, labelled, closed = (part.where(part.arm == arm) for part in (seen.requests, seen.labelled, seen.closed))
    samples: dict[str, Sample] = dict.fromkeys(
        ("error_rate", "latency", "latency_mean", "accuracy", "brier", "profit"), NOTHING
    )
    if len(requests):
        buckets = np.bincount(np.searchsorted(EDGES, requests.latency), minlength=len(EDGES) + 1)
        samples["error_rate"] = Counts(exposures=len(requests), events=int(requests.failed.sum()))
        samples["latency"] = histogram(buckets.tolist())
        samples["latency_mean"] = _moments(requests.latency)
    if len(labelled):
        correct = right(labelled.prediction, labelled.truth)
        samples["accuracy"] = Counts(exposures=len(labelled), events=int(correct.sum()))
        samples["brier"] = _moments(squared_error(labelled.prediction, labelled.truth))
    if len(closed):
        samples["profit"] = _moments(block_means(closed, earned(closed.prediction, closed.payoff)))
    return samples


def _pairs(closed: Events) -> dict[str, Sample]:
    """Return, per metric, both models' means over the units of each block that both answered."""
    both = closed.where(np.isfinite(closed.mirrored))
    if not len(both):
        return dict.fromkeys(("accuracy", "brier", "profit"), NOTHING)
    mine = both.arm == CANDIDATE
    treatment = np.where(mine, both.prediction, both.mirrored)
    control = np.where(mine, both.mirrored, both.prediction)
    values = {
        "accuracy": [right(said, both.truth).astype(float) for said in (control, treatment)],
        "brier": [squared_error(said, both.truth) for said in (control, treatment)],
        "profit": [earned(said, both.payoff) for said in (control, treatment)],
    }
    return {metric: _paired(*(block_means(both, each) for each in arms)) for metric, arms in values.items()}


def block_means(events: Events, values: Floats) -> Floats:
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
