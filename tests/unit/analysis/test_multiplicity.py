"""Tests of adjusted p-values: their order, and what is refused."""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstflight.analysis.multiplicity import benjamini_hochberg, holm

many = st.lists(st.floats(0, 1), max_size=20)


def test_worked_example() -> None:
    """Four p-values adjusted by hand."""
    values = (0.01, 0.04, 0.03, 0.005)
    assert (0.03, 0.06, 0.06, 0.02) == pytest.approx(holm(values))
    assert (0.02, 0.04, 0.04, 0.02) == pytest.approx(benjamini_hochberg(values))


def test_one_question_and_none() -> None:
    """A single p-value stays, and no question has no answer."""
    assert ((0.3,), (0.3,)) == (holm([0.3]), benjamini_hochberg([0.3]))
    assert ((), ()) == (holm([]), benjamini_hochberg([]))


@given(many)
def test_adjusting_never_flatters(values: list[float]) -> None:
    """Adjusted values are no smaller, at most 1, in the same order, and Holm is the stricter."""
    strict, mild = holm(values), benjamini_hochberg(values)
    for raw, family_wise, false_share in zip(values, strict, mild, strict=True):
        assert raw <= false_share * (1 + 1e-12)
        assert false_share <= family_wise * (1 + 1e-12)
        assert family_wise <= 1
    order = sorted(range(len(values)), key=values.__getitem__)
    assert [strict[i] for i in order] == sorted(strict)


@given(many, st.randoms(use_true_random=False))
def test_the_order_of_questions_does_not_matter(values: list[float], random: Random) -> None:
    """A shuffled list gives shuffled answers."""
    order = list(range(len(values)))
    random.shuffle(order)
    assert [holm(values)[i] for i in order] == list(holm([values[i] for i in order]))


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_what_is_no_p_value_is_refused(adjust: Callable[[list[float]], tuple[float, ...]], wrong: float) -> None:
    """Values that are no p-values are named."""
    with pytest.raises(ValueError, match="not between 0 and 1"):
        adjust([0.5, wrong])
