"""Sums of numbers that are only known by their logarithms."""

from collections.abc import Sequence
from math import exp, fsum, log, log1p

NEVER = -1e300
"""Logarithm of nothing that JSON can hold: e to this power is 0, adding a likelihood to it changes nothing."""


def log_add(first: float, second: float) -> float:
    """Return log(exp(first) + exp(second)) without leaving log space."""
    larger, smaller = (first, second) if first >= second else (second, first)
    if smaller <= NEVER:
        return larger
    return larger + log1p(exp(smaller - larger))


def log_sum(terms: Sequence[float]) -> float:
    """Return log(Σ exp(term)); NEVER when there is no term."""
    largest = max(terms) if terms else NEVER
    if largest <= NEVER:
        return NEVER
    return largest + log(fsum([exp(term - largest) for term in terms]))
