"""Features look back a fixed number of days, never forward, and mean the same in a series and in a request."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from firstflight.workloads.market.data.market import Market
from firstflight.workloads.market.features.indicators import (
    FEATURES,
    GROUPS,
    ROWS,
    STEPS,
    WARM_UP,
    compute,
    feature_names,
)

Array = NDArray[np.float64]
MakeHistory = Callable[..., Array]

SEEDS = st.integers(0, 2**32 - 1)
PRICES = st.sampled_from([0.01, 1.0, 100.0, 1e6])
STILLNESS = st.sampled_from([0.0, 0.3, 0.9, 1.0])


def _one(name: str, history: Array) -> Array:
    """Return one feature of one history, over time."""
    return compute(history[None], GROUPS)[0, :, feature_names(GROUPS).index(name)]


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, price=PRICES, stillness=STILLNESS, rows=st.integers(ROWS, 400))
def test_a_request_sees_what_the_series_shows(
    make_history: MakeHistory, seed: int, price: float, stillness: float, rows: int
) -> None:
    """Features of each 70-day window equal those of the whole series, to 1e-8, alone and in a batch.

    A real price's rounding is smaller: on NVDA, below, 1e-9. Here prices of a million stand still nine days in ten.
    """
    series = make_history(rows, seed, price, stillness)
    whole = compute(series[None], GROUPS)[0]
    ends = np.unique(np.linspace(ROWS, rows, 7).astype(int))
    windows = np.stack([series[end - ROWS : end] for end in ends])
    expected = np.stack([whole[end - ROWS : end - WARM_UP] for end in ends])
    np.testing.assert_allclose(compute(windows, GROUPS), expected, rtol=0, atol=1e-8)
    np.testing.assert_allclose(compute(windows[:1], GROUPS), expected[:1], rtol=0, atol=1e-8)


def test_real_requests_see_what_the_series_shows(packaged: Market) -> None:
    """On 25 years of NVDA, whose price grew a thousandfold, the difference stays below 1e-9."""
    series = packaged.series("NVDA")[1]
    whole = compute(series[None], GROUPS)[0]
    ends = np.arange(ROWS, len(series), 37)
    windows = np.stack([series[end - ROWS : end] for end in ends])
    expected = np.stack([whole[end - ROWS : end - WARM_UP] for end in ends])
    np.testing.assert_allclose(compute(windows, GROUPS), expected, rtol=0, atol=1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, other=SEEDS, cut=st.integers(ROWS, 199))
def test_the_future_changes_nothing(make_history: MakeHistory, seed: int, other: int, cut: int) -> None:
    """Cutting the series, or letting it go on differently, leaves every earlier feature exactly as it was."""
    series = make_history(200, seed)
    elsewhere = np.concatenate([series[:cut], make_history(200 - cut, other, price=3.0)])
    known = compute(series[None, :cut], GROUPS)
    for longer in (series, elsewhere):
        np.testing.assert_array_equal(known, compute(longer[None], GROUPS)[:, : cut - WARM_UP])


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, factor=st.sampled_from([0.01, 4.0, 1000.0]))
def test_a_split_changes_nothing(make_history: MakeHistory, seed: int, factor: float) -> None:
    """Features have no currency and no share size: prices times a factor, volumes divided by it, give the same."""
    series = make_history(100, seed)
    series[:, 4] *= 1e6  # so that the one share added against log(0) does not count
    split = series * np.array([factor] * 4 + [1 / factor, 1.0])
    np.testing.assert_allclose(compute(split[None], GROUPS), compute(series[None], GROUPS), rtol=0, atol=1e-6)


@pytest.mark.parametrize("stillness", [0.0, 0.5, 1.0])
def test_features_are_finite(make_history: MakeHistory, stillness: float) -> None:
    """A market that stands still and trades nothing divides by zero nowhere."""
    assert np.isfinite(compute(make_history(200, 3, stillness=stillness)[None], GROUPS)).all()


def test_one_row_gives_one_step_per_day_after_the_warm_up(make_history: MakeHistory) -> None:
    """A request of 70 rows gives the 10 steps a model sees, one column per feature."""
    shape = compute(np.stack([make_history(ROWS, 1)] * 3), GROUPS).shape
    assert (3, STEPS, len(feature_names(GROUPS))) == shape


def test_price_and_volume_are_eight_features() -> None:
    """The baseline's input is six price and two volume features."""
    assert 8 == len(feature_names(("price", "volume")))


@pytest.mark.parametrize("groups", [(), ("price", "price"), ("price", "news")])
def test_unknown_or_repeated_groups_are_refused(groups: tuple[str, ...]) -> None:
    """Groups must be known and named once."""
    with pytest.raises(ValueError, match="feature groups"):
        feature_names(groups)


def test_names_are_unique() -> None:
    """No two features share a name."""
    names = feature_names(GROUPS)
    assert len(names) == len(set(names)) == sum(len(group) for group in FEATURES.values())


def _steady_rise(rows: int = 100) -> Array:
    """1 % a day from open to close, 1,000 shares, fear at 20."""
    close = 100.0 * 1.01 ** np.arange(rows)
    opened = close / 1.01
    return np.column_stack([opened, close, opened, close, np.full(rows, 1000.0), np.full(rows, 20.0)])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("position_in_range", 1.0),
        ("gap", 0.0),
        ("relative_strength_14", 1.0),
        ("money_flow_14", 1.0),
        ("williams_14", 1.0),
        ("aroon_25", 1.0),
        ("below_high_60", 0.0),
        ("volume_1_20", 0.0),
        ("volume_5_60", 0.0),
        ("volatility_10_40", 0.0),
        ("true_range_14", np.log(np.log(1.01))),
        ("fear_level", np.log(20.0)),
        ("fear_change_5", 0.0),
        ("fear_above_mean_20", 0.0),
    ],
)
def test_a_steady_rise_has_known_features(name: str, value: float) -> None:
    """Where the market closes at its high every day, the oscillators stand at their upper ends."""
    np.testing.assert_allclose(_one(name, _steady_rise()), value, atol=1e-9)


def test_returns_are_in_units_of_volatility(make_history: MakeHistory) -> None:
    """A return is divided by the volatility of the last 40 days, over the square root of its length."""
    history = make_history(120, 5)
    log_close = np.log(history[:, 3])
    volatility = np.diff(log_close)[-40:].std()
    for days in (1, 5, 20):
        expected = (log_close[-1] - log_close[-1 - days]) / (volatility * np.sqrt(days))
        assert expected == pytest.approx(_one(f"return_{days}", history)[-1])
