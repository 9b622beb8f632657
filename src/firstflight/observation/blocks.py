"""What closed blocks show of each metric: a block is one observation, the mean of its units.

A unit that cannot be scored makes a window say nothing, rather than what is left: a model that answers nonsense where
it is hard would look good by the rest.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from firstflight.domain.metrics import Judged, Metric, Scoring
from firstflight.domain.samples import Counts, Moments, NoData, PairedMoments, Sample

Block = Sequence[Judged]
Means = Mapping[str, float]
MOST = 1e50
"""The largest score: no sum of squares of squares of such ones overflows."""
_EVENT_OR_NONE = (0.0, 1.0)


def of_blocks(scoring: Scoring, name: str, blocks: Iterable[Block]) -> dict[str, Sample]:
    """Return a sample of every metric over the blocks of which `name` answered units; there is at least one."""
    found = list(blocks)
    try:
        means = [_means(scoring, block) for block in found]
    except (ValueError, ArithmeticError) as fault:
        return _unscored(scoring, name, fault)
    single = all(len(block) == 1 for block in found)
    return {metric.name: _of_metric(metric, name, means, single=single) for metric in scoring.metrics}


def of_pairs(scoring: Scoring, names: tuple[str, str], pairs: Iterable[tuple[Block, Block]]) -> dict[str, Sample]:
    """Return a sample of every metric over blocks of which both models answered units, the control's first."""
    who = " and ".join(names)
    try:
        means = [(_means(scoring, mine), _means(scoring, theirs)) for mine, theirs in pairs]
    except (ValueError, ArithmeticError) as fault:
        return _unscored(scoring, who, fault)
    return {metric.name: _of_pairs(metric.name, who, means) for metric in scoring.metrics}


def moments(values: Sequence[float]) -> Moments:
    """Return count, mean and squared deviations of `values`, of which there is at least one."""
    mean = math.fsum(values) / len(values)
    return Moments(count=len(values), mean=mean, m2=math.fsum([(value - mean) ** 2 for value in values]))


def _means(scoring: Scoring, block: Block) -> Means:
    """Return each metric of the block: its mean over the units of which it is told, or its one value.

    Raises where a unit has no score.
    """
    if len(block) == 1:
        return {**scoring.score(*block[0]), **scoring.block_score(block)}
    scores = [scoring.score(*judged) for judged in block]
    told = {metric.name: [score[metric.name] for score in scores if metric.name in score] for metric in scoring.metrics}
    means = {name: math.fsum(values) / len(values) for name, values in told.items() if values}
    return {**means, **scoring.block_score(block)}


def _of_metric(metric: Metric, name: str, means: Sequence[Means], *, single: bool) -> Sample:
    values = [each[metric.name] for each in means if metric.name in each]
    if absent := _absent(metric.name, name, values):
        return absent
    if single and metric.kind == "share" and all(value in _EVENT_OR_NONE for value in values):
        return Counts(exposures=len(values), events=round(math.fsum(values)))
    return moments(values)


def _of_pairs(metric: str, names: str, means: Sequence[tuple[Means, Means]]) -> Sample:
    told = [(mine[metric], theirs[metric]) for mine, theirs in means if metric in mine and metric in theirs]
    mine, theirs = [c for c, _ in told], [t for _, t in told]
    if absent := _absent(metric, names, mine + theirs):
        return absent
    control, treatment = moments(mine), moments(theirs)
    return PairedMoments(
        count=len(told),
        control_mean=control.mean,
        treatment_mean=treatment.mean,
        control_m2=control.m2,
        treatment_m2=treatment.m2,
        cross=math.fsum([(c - control.mean) * (t - treatment.mean) for c, t in told]),
    )


def _absent(metric: str, names: str, values: Sequence[float]) -> NoData | None:
    """Return why nothing is known by these values, None when something is."""
    if not values:
        return NoData(
            reason=f"no score of {names} tells {metric}; if it needs one, is a payoff posted with each truth, or a "
            "block named that holds both classes?"
        )
    if not all(map(math.isfinite, values)):
        return NoData(reason=f"a score of {names} tells no finite {metric}")
    if max(map(abs, values)) > MOST:
        return NoData(reason=f"a score of {names} tells a {metric} beyond {MOST:g}, with which nobody can reckon")
    return None


def _unscored(scoring: Scoring, names: str, fault: Exception) -> dict[str, Sample]:
    reason = f"an answer of {names}, or the truth about it, cannot be scored: {fault}"
    return {metric.name: NoData(reason=reason) for metric in scoring.metrics}
