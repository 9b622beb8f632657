"""One look, as a guardrail sees it."""

from collections.abc import Mapping
from typing import NamedTuple

from firstflight.decision.evidence import Evidence
from firstflight.domain.samples import Counts, Histogram, Look, Moments, NoData, PairedMoments, Sample

Samples = Mapping[str, Mapping[str, Sample]]


class Context(NamedTuple):
    """What a look is, for every guardrail alike.

    `log_spent` is the log of the weight put on earlier beginnings of a fault, `weight` that put on this look, `unspent`
    what is left for later ones; `control` whether the stable model serves a share, `log_proof` the log e-value from
    which on a proof is one. While the stable model fails it is no measure of others: `typical` says that its looks
    tell how looks vary, `comparable` that the candidate may be compared with it on this guardrail.
    """

    log_spent: float
    weight: float
    unspent: float
    warming_up: bool
    control: bool
    log_proof: float
    typical: bool = True
    comparable: bool = True


class Seen(NamedTuple):
    """What one look holds of one metric; NoData is None."""

    candidate: Sample | None
    stable: Sample | None
    paired: PairedMoments | None

    @property
    def by_candidate(self) -> bool:
        """Whether the candidate answered anything this metric measures."""
        return self.paired is not None or _count(self.candidate) > 0

    @property
    def by_stable(self) -> bool:
        """Whether the stable model answered anything this metric measures."""
        return self.paired is not None or _count(self.stable) > 0


def _count(sample: Sample | None) -> int:
    match sample:
        case Counts(exposures=count) | Moments(count=count) | PairedMoments(count=count):
            return count
        case Histogram(counts=counts):
            return sum(counts)
    return 0


def seen(evidence: Evidence, look: Look, metric: str) -> Seen:
    """Return what `look` holds of `metric`."""
    return _seen(evidence, look.samples, look.paired, metric)


def seen_late(evidence: Evidence, look: Look, metric: str) -> Seen:
    """Return what `look` holds of `metric` about answers of earlier stages."""
    return _seen(evidence, look.earlier, look.earlier_paired, metric)


def _seen(evidence: Evidence, samples: Samples, pairs: Samples, metric: str) -> Seen:
    candidate = samples.get(evidence.candidate, {}).get(metric)
    stable = samples.get(evidence.stable, {}).get(metric)
    paired = pairs.get(evidence.candidate, {}).get(metric)
    return Seen(
        candidate=None if isinstance(candidate, NoData) else candidate,
        stable=None if isinstance(stable, NoData) else stable,
        paired=paired if isinstance(paired, PairedMoments) and paired.count else None,
    )


def are(kind: type | tuple[type, ...], seen: Seen) -> bool:
    """Return whether everything that was seen of the arms is of this kind."""
    return (seen.candidate is None or isinstance(seen.candidate, kind)) and (
        seen.stable is None or isinstance(seen.stable, kind)
    )
