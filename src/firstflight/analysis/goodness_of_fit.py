"""Whether requests reached the arms in the planned shares, asked once, at the end of a test of planned length.

Asked at every look it cries wolf in every tenth healthy stage: `sample_ratio_log_e` is for that.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, gammaln

from firstflight.analysis.status import Status

_EXPECTED = 5.0
_MOST_OUTCOMES = 200_000
_TIE = 1e-7  # outcomes as likely as the one observed, but for rounding, count as at most as likely


@dataclass(frozen=True)
class ShareTest:
    """p-value of "arms are drawn with these shares", by arms with a share.

    Status `no_data`: no traffic; `not_applicable`: fewer than two arms have a share.
    """

    status: Status
    p_value: float | None = None
    method: Literal["chi-square", "multinomial", "binomials"] | None = None
    observed: Mapping[str, int] | None = None
    expected: Mapping[str, float] | None = None


def sample_ratio(counts: Mapping[str, int], shares: Mapping[str, float]) -> ShareTest:
    """Return how well `counts` fit `shares` (any positive unit; arms without share or unknown to it are left out).

    Pearson's chi-square (Philosophical Magazine 50, 1900) with k - 1 degrees of freedom where every arm expects at
    least five; else the exact multinomial test, which adds up all outcomes at most as likely as the one seen; where
    those are too many to list, the smallest of the k exact binomial p-values times k, which is never too small.
    """
    arms = sorted(name for name, share in shares.items() if share > 0)
    observed = {name: counts.get(name, 0) for name in arms}
    total, whole = sum(observed.values()), math.fsum(shares[name] for name in arms)
    probabilities = [shares[name] / whole for name in arms]
    expected = {name: total * probability for name, probability in zip(arms, probabilities, strict=True)}
    if len(arms) < 2:  # noqa: PLR2004 - a single arm has no ratio
        return ShareTest(Status.NOT_APPLICABLE, observed=observed, expected=expected)
    if total == 0:
        return ShareTest(Status.NO_DATA, observed=observed, expected=expected)
    seen = [observed[name] for name in arms]
    if min(expected.values()) >= _EXPECTED:
        statistic = math.fsum((observed[name] - expected[name]) ** 2 / expected[name] for name in arms)
        return ShareTest(Status.OK, float(chdtrc(len(arms) - 1, statistic)), "chi-square", observed, expected)
    if math.comb(total + len(arms) - 1, len(arms) - 1) <= _MOST_OUTCOMES:
        return ShareTest(Status.OK, _multinomial(seen, probabilities), "multinomial", observed, expected)
    from scipy.stats import binomtest  # noqa: PLC0415 - takes a second to import and is hardly ever needed

    smallest = min(binomtest(n, total, p).pvalue for n, p in zip(seen, probabilities, strict=True))
    return ShareTest(Status.OK, min(len(arms) * float(smallest), 1.0), "binomials", observed, expected)


def _multinomial(seen: Sequence[int], probabilities: Sequence[float]) -> float:
    chances = _log_chances(_outcomes(sum(seen), len(seen)), probabilities)
    own = _log_chances(np.array([seen], dtype=float), probabilities)[0]
    return min(float(np.exp(chances[chances <= own + _TIE]).sum()), 1.0)


def _outcomes(total: int, arms: int) -> NDArray[np.float64]:
    """Return every way to divide `total` among `arms`, one per row."""
    rows = np.arange(total + 1, dtype=float)[:, None] if arms > 1 else np.array([[float(total)]])
    for left in range(arms - 2, -1, -1):
        rest = total - rows.sum(axis=1)
        if left == 0:
            return np.column_stack((rows, rest))
        repeats = (rest + 1).astype(int)
        following = np.concatenate([np.arange(count, dtype=float) for count in repeats])
        rows = np.column_stack((np.repeat(rows, repeats, axis=0), following))
    return rows


def _log_chances(outcomes: NDArray[np.float64], probabilities: Sequence[float]) -> NDArray[np.float64]:
    logs = np.log(np.asarray(probabilities))
    chances: NDArray[np.float64] = (
        gammaln(outcomes.sum(axis=1) + 1) - gammaln(outcomes + 1).sum(axis=1) + outcomes @ logs
    )
    return chances
