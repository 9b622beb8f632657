"""Whether requests are divided as wanted, or still as before: one sequential test of one split against another.

Each request tells who was chosen. Their likelihood under the wanted split, over that under an old one, is a
martingale where the old one is in force, so it ever exceeds `1 / error` with probability `error` at most, however
often one looks (Ville's inequality). A look ends as soon as it is told.
"""

import math
from collections.abc import Mapping, Sequence
from enum import Enum, auto

from firstflight.domain.traffic import TrafficSplit

ERROR = 1e-4
"""At most so often an old split is taken for the wanted one, over all looks at one change together."""
MOST_REQUESTS = 4000
"""Of one look at one Envoy. Splits that so many do not tell apart, one percent from two, are Seldon's word to tell."""
FEWEST_REQUESTS = 20
_GIVE_UP = math.log(100)
_IMPROBABLE = math.log(1e6)
_LEAST = 0.0001
"""The stable model's share where it has no whole percent: it is never quite nothing, see `experiments.manifest`."""

Counts = Mapping[str | None, int]


class Shown(Enum):
    """What requests have shown so far."""

    WANTED = auto()
    OTHER = auto()
    NOTHING = auto()
    """Not enough yet."""
    UNTOLD = auto()
    """They fit, and so few cannot tell it from another that may be in force."""


def error_of_look(number: int) -> float:
    """Return the share of `ERROR` that the look `number`, from 1, may spend: all looks together spend it once."""
    return ERROR * 6 / (math.pi * number) ** 2


def weigh(counts: Counts, wanted: TrafficSplit, before: Sequence[TrafficSplit], error: float) -> Shown:
    """Return what requests that were answered by whom show of `wanted`, against each of the splits `before`.

    With no other split to tell it from, `FEWEST_REQUESTS` that fit it show it; None counts what nobody answered. What
    is mirrored no request shows.
    """
    shares = _shares(wanted)
    olds = [_shares(one) for one in before if (_shares(one), one.shadow) != (shares, wanted.shadow)]
    if any(not shares.get(name) for name, count in counts.items() if count):
        return Shown.OTHER
    told = [old for old in olds if MOST_REQUESTS * _nats(shares, old) > -math.log(error)]
    evidence = [_log_ratio(counts, shares, old) for old in told]
    if min(evidence, default=0.0) < -_GIVE_UP or misfit(counts, wanted) is not None:
        return Shown.OTHER
    if min(evidence, default=math.inf) < -math.log(error) or sum(counts.values()) < FEWEST_REQUESTS:
        return Shown.NOTHING
    return Shown.WANTED if len(told) == len(olds) else Shown.UNTOLD


def misfit(counts: Counts, wanted: TrafficSplit) -> str | None:
    """Return whose count is one in a million under `wanted`, or less, and what was wanted of it."""
    shares, total = _shares(wanted), sum(counts.values())
    for name in sorted(set(counts) | set(shares), key=str):
        count, share = counts.get(name, 0), shares.get(name, 0.0)
        if _surprise(count, total, share) > _IMPROBABLE:
            return f"{count} of {total} requests went to {name or 'nobody'}, wanted {share:.0%}"
    return None


def _shares(split: TrafficSplit) -> dict[str | None, float]:
    shares: dict[str | None, float] = {name: weight / 100 for name, weight in split.weights.items() if weight}
    if split.stable not in shares:
        shares |= {split.stable: _LEAST, max(shares, key=shares.__getitem__): max(shares.values()) - _LEAST}
    return shares


def _nats(wanted: Mapping[str | None, float], old: Mapping[str | None, float]) -> float:
    """Return how much one request tells on average where the wanted split is in force (Kullback and Leibler)."""
    return sum(share * (math.log(share / old[name]) if name in old else math.inf) for name, share in wanted.items())


def _log_ratio(counts: Counts, wanted: Mapping[str | None, float], old: Mapping[str | None, float]) -> float:
    return sum(
        count * (math.log(wanted[name] / old[name]) if name in old else math.inf)
        for name, count in counts.items()
        if count
    )


def _surprise(count: int, total: int, share: float) -> float:
    """Return at least how many nats a count so far out is improbable by (Chernoff's bound on a binomial's tail)."""
    if not total:
        return 0.0
    seen = count / total
    return total * sum(a * math.log(a / b) if b else math.inf for a, b in ((seen, share), (1 - seen, 1 - share)) if a)
