"""Samples are what a request of that day would have carried, labelled by what came next."""

from dataclasses import replace

import numpy as np
import pytest

from firstflight.domain.errors import InvalidDataError
from firstflight.workloads.market.data.market import Market
from firstflight.workloads.market.features.dataset import Dataset, Part, build_dataset
from firstflight.workloads.market.features.indicators import GROUPS, ROWS, STEPS


@pytest.fixture(scope="module")
def small(small_market: Market) -> Dataset:
    """The small market's data set, all groups."""
    return build_dataset(small_market, GROUPS)


def _parts(dataset: Dataset) -> tuple[Part, Part, Part]:
    return dataset.train, dataset.validation, dataset.test


def test_packaged_data_have_the_documented_size(packaged: Market) -> None:
    """4,398 validation and 6,030 test samples, and 52 % of the test days go up."""
    dataset = build_dataset(packaged, ("price", "volume"))
    assert (31_702, 4_398, 6_030) == tuple(len(part) for part in _parts(dataset))
    assert (31_702, STEPS, 8) == dataset.train.x.shape
    assert 0.5234 == pytest.approx(dataset.test.y.mean(), abs=1e-4)
    assert all(np.isfinite(part.x).all() for part in _parts(dataset))


def test_samples_equal_requests(small_market: Market, small: Dataset) -> None:
    """Each sample is what the transform makes of the 70 days before, and its label of the day after."""
    for part in _parts(small):
        for i in range(0, len(part), 7):
            days, values = small_market.series(str(part.symbol[i]))
            t = int(np.searchsorted(days, part.date[i]))
            np.testing.assert_allclose(
                part.x[i], small.transform.apply(values[None, t - ROWS + 1 : t + 1])[0], atol=1e-6
            )
            assert values[t + 1, 3] / values[t, 3] - 1.0 == pytest.approx(part.forward_return[i])
            assert float(values[t + 1, 3] > values[t, 3]) == part.y[i]


def test_samples_are_in_order_of_time(small: Dataset) -> None:
    """Samples go by date, then by symbol, each once."""
    for part in _parts(small):
        keys = list(zip(part.date.tolist(), part.symbol.tolist(), strict=True))
        assert sorted(set(keys)) == keys


def test_only_traded_instruments_are_judged(small: Dataset) -> None:
    """An instrument that is not traded trains, and does nothing else."""
    assert {"AAA", "BBB", "IDX"} == set(small.train.symbol)
    assert {"AAA", "BBB"} == set(small.validation.symbol) == set(small.test.symbol)


def test_no_label_reaches_the_next_part(small_market: Market, small: Dataset) -> None:
    """Between the last day of a part and the first of the next lies the embargo."""
    days = small_market.series("AAA")[0]
    for before, after in ((small.train, small.validation), (small.validation, small.test)):
        assert 21 == ((days > before.date[-1]) & (days < after.date[0])).sum()


def test_the_scaler_knows_the_training_part_alone(small_market: Market, small: Dataset) -> None:
    """Other prices after the training part leave the transform and the training samples as they were."""
    table = small_market.table.copy()
    later = table["date"].to_numpy("datetime64[D]") > small_market.splits.train.until + np.timedelta64(7)
    table.loc[later, ["open", "high", "low", "close"]] *= 3.0
    other = build_dataset(replace(small_market, table=table), GROUPS)
    assert small.transform == other.transform
    np.testing.assert_array_equal(small.train.x, other.train.x)
    assert small.digest != other.digest


def test_an_unchanged_close_is_not_up(small_market: Market) -> None:
    """A next-day return of exactly zero is labelled 0."""
    table = small_market.table.copy()
    day = small_market.splits.test.since
    bbb = table["symbol"] == "BBB"
    today = bbb & (table["date"].to_numpy("datetime64[D]") == day)
    tomorrow = today.shift(fill_value=False)
    table.loc[tomorrow, ["open", "high", "low", "close"]] = float(table.loc[today, "close"].iloc[0])
    test = build_dataset(replace(small_market, table=table), ("price",)).test
    mine = (test.symbol == "BBB") & (test.date == day)
    assert [0.0] == test.forward_return[mine].tolist()
    assert [0.0] == test.y[mine].tolist()


def test_the_most_recent_rows_are_kept(small_market: Market, small: Dataset) -> None:
    """`max_rows` keeps the last training samples, fits the transform on them and is in the digest."""
    fewer = build_dataset(small_market, GROUPS, max_rows=100)
    assert 100 == len(fewer.train)
    assert small.train.date[-100:].tolist() == fewer.train.date.tolist()
    assert small.transform != fewer.transform
    assert small.digest != fewer.digest


def test_parts_without_samples_are_refused(small_market: Market) -> None:
    """A market whose instruments are too short for a part is refused by the part's name."""
    short = small_market.table.groupby("symbol").head(60).reset_index(drop=True)
    with pytest.raises(InvalidDataError) as refused:
        build_dataset(replace(small_market, table=short), GROUPS)
    assert "no train sample with 70 days of history" == refused.value.faults[0]
