"""Whether requests reach the arms in the shares the router claims."""

import math
from collections.abc import Mapping

from scipy.special.cython_special import gammaln

CONCENTRATION = 100.0

ALPHA = 0.001
"""Chance of ever holding a rollout whose requests are divided as they should be."""


def sample_ratio_log_e(counts: Mapping[str, int], shares: Mapping[str, float]) -> float:
    """Return log e against "requests are assigned with probabilities `shares`".

    log e = log B(k·w + c) - log B(k·w) - Σ c_i·log w_i, the Dirichlet-multinomial mixture of Lindon and Malek,
    "Anytime-valid inference for multinomial count data" (NeurIPS 2022, arXiv 2011.03567, section 3), with k = 100.
    Valid however often it is looked at; the classical χ² test is not. Arms with share 0 are left out (what reaches
    them is a question for the router); 0 when fewer than two arms have a share, +inf never.
    """
    arms = sorted(name for name, share in shares.items() if share > 0)
    if len(arms) < 2:  # noqa: PLR2004 - a single arm has no ratio
        return 0.0
    whole = sum(shares[name] for name in arms)
    total = sum(counts.get(name, 0) for name in arms)
    log_e = float(gammaln(CONCENTRATION) - gammaln(CONCENTRATION + total))
    for name in arms:
        share, count = shares[name] / whole, counts.get(name, 0)
        prior = CONCENTRATION * share
        log_e += float(gammaln(prior + count) - gammaln(prior)) - count * math.log(share)
    return log_e
