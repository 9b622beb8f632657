"""A request that is no history is refused with the fault named."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from firstflight.domain.errors import InvalidDataError
from firstflight.workloads.market.features.history import check_history
from firstflight.workloads.market.features.indicators import ROWS

Array = NDArray[np.float64]


def test_a_good_history_passes(make_history: Callable[..., Array]) -> None:
    """A good history comes back as float64, from float32 and lists too."""
    good = make_history(ROWS, 1)[None]
    for given in (good, good.tolist()):
        np.testing.assert_array_equal(good, check_history(given))
    assert np.float64 == check_history(good.astype(np.float32)).dtype


@pytest.mark.parametrize(
    ("shape", "named"),
    [
        ((ROWS, 6), f"shape ({ROWS}, 6), must be (1 or more, {ROWS}, 6)"),
        ((1, ROWS - 1, 6), f"shape (1, {ROWS - 1}, 6)"),
        ((1, ROWS, 5), f"shape (1, {ROWS}, 5)"),
        ((0, ROWS, 6), f"shape (0, {ROWS}, 6)"),
        ((), "shape ()"),
    ],
)
def test_another_shape_is_refused(shape: tuple[int, ...], named: str) -> None:
    """The shape found and the shape wanted are named."""
    with pytest.raises(InvalidDataError) as refused:
        check_history(np.ones(shape))
    assert named in refused.value.faults[0]


@pytest.mark.parametrize(
    ("column", "value", "named"),
    [
        (3, np.nan, "close holds NaN"),
        (5, -np.inf, "fear holds infinity"),
        (0, 0.0, "a price is 0, must be positive"),
        (2, -3.0, "a price is -3, must be positive"),
        (1, 1e12, "a price is 1e+12, must be at most 1e+09"),
        (4, -1.0, "a volume is -1, must not be negative"),
        (4, 1e16, "a volume is 1e+16"),
        (5, 0.0, "a fear level is 0, must be positive"),
        (5, 1e5, "a fear level is 100000"),
        (1, 1e-3, "high is below low"),
        (3, 1e6, "open or close lies outside low and high"),
    ],
)
def test_an_impossible_value_is_refused(
    make_history: Callable[..., Array], column: int, value: float, named: str
) -> None:
    """One impossible value among 420 is enough, and the message names it."""
    history = make_history(ROWS, 1)[None]
    history[0, 17, column] = value
    with pytest.raises(InvalidDataError) as refused:
        check_history(history)
    assert any(named in fault for fault in refused.value.faults), refused.value.faults


def test_every_fault_is_named(make_history: Callable[..., Array]) -> None:
    """Two faults give two sentences."""
    history = make_history(ROWS, 1)[None]
    history[0, 3, 4], history[0, 5, 5] = -1.0, -1.0
    with pytest.raises(InvalidDataError) as refused:
        check_history(history)
    assert 2 == len(refused.value.faults)


@pytest.mark.parametrize("odd", ["text", [[1.0], [1.0, 2.0]], {"close": 1}])
def test_what_is_no_array_is_refused(odd: Any) -> None:
    """Text, ragged lists and objects are refused, not crashed on."""
    with pytest.raises(InvalidDataError, match="not an array of numbers"):
        check_history(odd)
