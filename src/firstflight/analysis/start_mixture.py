"""A likelihood ratio begun afresh at every look, and the mixture of all those beginnings.

A fault may be there from the first request or begin in the middle of a stage. Following Shiryaev and
Roberts, wealth is put on every beginning: with weights `w` known beforehand and summing to at most 1,

    S_j ← (S_j + w_k) · L_j      e_k = Σ_j π_j S_j + 1 - Σ_{i≤k} w_i

Each L_j has expectation at most 1 under the null given the past, so e is a non-negative supermartingale
that starts at 1, and P(e ever ≥ 1/alpha) ≤ alpha by Ville's inequality. The sums of e-processes begun at
consecutive times are those of Shin, Ramdas and Rinaldo, "E-detectors: a nonparametric framework for
sequential change detection" (arXiv 2203.03532); weights that sum to one turn their bound on the average
run length into a bound on the chance of any false alarm.
"""

import operator
from collections.abc import Sequence
from math import exp, log, log1p

from firstflight.analysis.log_space import NEVER, log_sum


def bet(log_wealth: Sequence[float], log_ratios: Sequence[float], start_weight: float) -> tuple[float, ...]:
    """Return log S_j after one look.

    Args:
        log_wealth: log S_j before the look, one per alternative; NEVER for none.
        log_ratios: log L_j of the look against the null, one per alternative.
        start_weight: w_k, the weight of faults that begin with this look; 0 for none.
    """
    entry = log(start_weight) if start_weight > 0 else NEVER
    after = [
        (wealth + log1p(exp(entry - wealth)) if wealth >= entry else entry + log1p(exp(wealth - entry))) + ratio
        for wealth, ratio in zip(log_wealth, log_ratios, strict=True)
    ]
    if min(after) < NEVER:
        return tuple([max(each, NEVER) for each in after])
    return tuple(after)


def log_e_value(log_wealth: Sequence[float], log_shares: Sequence[float], unspent: float) -> float:
    """Return log e: the mean of S_j over alternatives by their shares plus the weight not yet spent on a start."""
    mixed = list(map(operator.add, log_shares, log_wealth))
    if unspent > 0:
        mixed.append(log(unspent))
    return log_sum(mixed)


def log_shares(shares: Sequence[float]) -> tuple[float, ...]:
    """Return the logarithms of the shares of wealth on each alternative."""
    return tuple(log(share) for share in shares)
