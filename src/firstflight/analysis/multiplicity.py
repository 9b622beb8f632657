"""p-values of several questions asked at once."""

from collections.abc import Iterable, Sequence
from itertools import accumulate


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return p-values adjusted for the chance of any false finding, in the order given.

    max over the smaller ones of (m - i + 1)·p_(i): Holm, "A simple sequentially rejective multiple test procedure",
    Scandinavian Journal of Statistics 6, 1979. Valid under any dependence.

    Raises:
        ValueError: A p-value is not between 0 and 1.
    """
    order = _ascending(p_values)
    scaled = ((len(order) - rank) * p_values[index] for rank, index in enumerate(order))
    return _in_place(order, accumulate(scaled, max))


def benjamini_hochberg(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return p-values adjusted for the expected share of false findings, in the order given.

    min over the larger ones of m·p_(i)/i: Benjamini and Hochberg, "Controlling the false discovery rate", JRSS B 57,
    1995. Valid for independent and for positively dependent questions.

    Raises:
        ValueError: A p-value is not between 0 and 1.
    """
    order = _ascending(p_values)[::-1]
    count = len(order)
    scaled = (count * p_values[index] / (count - place) for place, index in enumerate(order))
    return _in_place(order, accumulate(scaled, min))


def _ascending(p_values: Sequence[float]) -> list[int]:
    if wrong := [value for value in p_values if not 0 <= value <= 1]:
        raise ValueError(f"p-values {wrong} are not between 0 and 1")
    return sorted(range(len(p_values)), key=p_values.__getitem__)


def _in_place(order: Sequence[int], adjusted: Iterable[float]) -> tuple[float, ...]:
    by_index = dict(zip(order, adjusted, strict=True))
    return tuple(min(by_index[index], 1.0) for index in range(len(order)))
