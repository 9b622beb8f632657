"""One look, as a guardrail sees it."""

from collections.abc import Mapping, Sequence
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


_NOTHING = Seen(None, None, None)


def _count(sample: Sample | None) -> int:
    match sample:
        case Counts(exposures=count) | Moments(count=count) | PairedMoments(count=count):
            return count
        case Histogram(counts=counts):
            return sum(counts)
    return 0


def seen(evidence: Evidence, look: Look, metrics: Sequence[str]) -> dict[str, Seen]:
    """Return what `look` holds of each of `metrics`."""
    return _seen(evidence, look.samples, look.paired, metrics)


def seen_late(evidence: Evidence, look: Look, metrics: Sequence[str]) -> dict[str, Seen]:
    """Return what `look` holds of `metrics` about answers of earlier stages: of those it holds anything of."""
    if not look.earlier and not look.earlier_paired:
        return {}
    found = _seen(evidence, look.earlier, look.earlier_paired, metrics)
    return {metric: one for metric, one in found.items() if one != _NOTHING}


def _seen(evidence: Evidence, samples: Samples, pairs: Samples, metrics: Sequence[str]) -> dict[str, Seen]:
    candidate, stable = samples.get(evidence.candidate, {}), samples.get(evidence.stable, {})
    paired = pairs.get(evidence.candidate, {})
    return {
        metric: Seen(
            _known(candidate.get(metric)), _known(stable.get(metric)), _shared(paired.get(metric)) if paired else None
        )
        for metric in metrics
    }


def _known(sample: Sample | None) -> Sample | None:
    return None if isinstance(sample, NoData) else sample


def _shared(sample: Sample | None) -> PairedMoments | None:
    return sample if isinstance(sample, PairedMoments) and sample.count else None


def are(kind: type | tuple[type, ...], seen: Seen) -> bool:
    """Return whether everything that was seen of the arms is of this kind."""
    return (seen.candidate is None or isinstance(seen.candidate, kind)) and (
        seen.stable is None or isinstance(seen.stable, kind)
    )
