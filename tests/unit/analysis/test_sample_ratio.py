"""The sequential test of the split."""

import math

import numpy as np
import pytest
from scipy.stats import dirichlet_multinomial, multinomial

from firstflight.analysis.sample_ratio import CONCENTRATION, sample_ratio_log_e


def test_it_is_a_dirichlet_multinomial_against_a_multinomial() -> None:
    """Log e equals scipy's two log probabilities of the counts."""
    counts, shares = {"a": 60, "b": 930, "c": 110}, {"a": 0.05, "b": 0.85, "c": 0.10}
    vector, weights = list(counts.values()), list(shares.values())
    expected = dirichlet_multinomial.logpmf(vector, [CONCENTRATION * w for w in weights], 1100) - multinomial.logpmf(
        vector, 1100, weights
    )
    assert pytest.approx(expected) == sample_ratio_log_e(counts, shares)


def test_a_fair_split_is_rarely_suspected() -> None:
    """Looked at 60 times, 300 fair splits of 5/95 reach 100 to 1 in at most 1 % of the cases, give or take."""
    rng = np.random.default_rng(5)
    suspected = 0
    for _ in range(300):
        new = np.cumsum(rng.binomial(600, 0.05, 60))
        looks = (
            sample_ratio_log_e({"new": int(x), "old": 600 * (k + 1) - int(x)}, {"new": 0.05, "old": 0.95})
            for k, x in enumerate(new)
        )
        suspected += max(looks) >= math.log(100)
    assert suspected <= 3 + 2 * math.sqrt(3)


def test_a_skewed_split_is_caught() -> None:
    """6 % instead of 5 % of 36,000 requests is beyond doubt."""
    assert sample_ratio_log_e({"new": 2160, "old": 33_840}, {"new": 0.05, "old": 0.95}) > 20


def test_edge_cases() -> None:
    """No traffic says nothing, one arm has no ratio, an arm without a share is left out, huge counts stay finite."""
    assert pytest.approx(0.0) == sample_ratio_log_e({}, {"new": 0.05, "old": 0.95})
    assert sample_ratio_log_e({"new": 9}, {"new": 1.0}) == 0.0
    assert sample_ratio_log_e({"new": 9, "old": 3}, {"new": 1.0, "old": 0.0}) == 0.0
    assert math.isfinite(sample_ratio_log_e({"new": 10**9, "old": 0}, {"new": 0.05, "old": 0.95}))
