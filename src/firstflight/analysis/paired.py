"""Whether two arms differ on the units both were measured on."""

from collections import defaultdict
from collections.abc import Hashable, Sequence

from firstflight.analysis.moments import differences, pairs_from_values, variance
from firstflight.analysis.status import Status
from firstflight.analysis.welch import MeanTest, t_test
from firstflight.domain.samples import NoData, PairedMoments


def paired_t(pairs: PairedMoments | NoData, alpha: float = 0.05) -> MeanTest:
    """Return Student's t-test of treatment - control on the same units (Student, Biometrika 6, 1908).

    Units must not share their luck: units of one block do, so either the pairs are blocks (their means), or
    `clustered_paired_t` is the test.
    """
    if isinstance(pairs, NoData) or pairs.count == 0:
        return MeanTest(Status.NO_DATA)
    apart = differences(pairs)
    spread = variance(apart)
    if spread is None:
        return t_test(apart.mean, None, None, alpha)
    return t_test(apart.mean, spread / apart.count, apart.count - 1, alpha)


def clustered_paired_t(
    control: Sequence[float], treatment: Sequence[float], blocks: Sequence[Hashable], alpha: float = 0.05
) -> MeanTest:
    """Return the t-test of the mean difference over units whose differences go together within a block.

    The squared error is B/(B - 1)·Σ_b (Σ_{i in b} (d_i - d̄))²/n² with B - 1 degrees of freedom: Liang and Zeger,
    "Longitudinal data analysis using generalized linear models", Biometrika 73, 1986, for a mean, with the usual
    correction for few blocks. Needs two blocks.

    Raises:
        ValueError: There are not as many blocks as values, or not as many values of either arm.
    """
    if len(blocks) != len(control):
        raise ValueError(f"{len(blocks)} blocks for {len(control)} values, must be as many")
    pairs = pairs_from_values(control, treatment)
    if isinstance(pairs, NoData):
        return MeanTest(Status.NOT_FINITE)
    if pairs.count == 0:
        return MeanTest(Status.NO_DATA)
    mean = pairs.treatment_mean - pairs.control_mean
    together: defaultdict[Hashable, float] = defaultdict(float)
    for old, new, block in zip(control, treatment, blocks, strict=True):
        together[block] += new - old - mean
    count = len(together)
    if count < 2:  # noqa: PLR2004 - one block has no spread
        return t_test(mean, None, None, alpha)
    squares = sum(total * total for total in together.values())
    if variance(differences(pairs)) == 0:
        squares = 0.0
    return t_test(mean, count / (count - 1) * squares / pairs.count**2, count - 1, alpha)
