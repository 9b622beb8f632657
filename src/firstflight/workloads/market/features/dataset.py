"""From market data to the arrays a network is trained, stopped and tested on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from firstflight.domain.errors import InvalidDataError
from firstflight.workloads.market.data.digest import training_data_hash
from firstflight.workloads.market.data.market import Market
from firstflight.workloads.market.data.splits import Days, Period
from firstflight.workloads.market.features.indicators import ROWS, STEPS, WARM_UP, compute, feature_names
from firstflight.workloads.market.features.transform import Transform


@dataclass(frozen=True)
class Part:
    """Samples of one period, by date, then symbol. A sample is known at the close of its date.

    `x` float32 [N, STEPS, F]; `y` float32 [N], 1 when the next close is strictly higher (an unchanged close
    counts as not up, here as in the truth of live requests); `forward_return` float64 [N], simple return from
    this close to the next; `symbol` [N]; `date` [N].
    """

    x: NDArray[np.float32]
    y: NDArray[np.float32]
    forward_return: NDArray[np.float64]
    symbol: NDArray[np.str_]
    date: Days

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class Dataset:
    """Three parts in order of time, the transform fitted on the first, and the digest of all that made them."""

    transform: Transform
    train: Part
    validation: Part
    test: Part
    digest: str


@dataclass(frozen=True)
class _Series:
    """One instrument: raw features [L - WARM_UP, F] and, for each day a sample can have, its date and return."""

    symbol: str
    raw: NDArray[np.float64]
    date: Days
    forward_return: NDArray[np.float64]


def build_dataset(market: Market, groups: Sequence[str], max_rows: int | None = None) -> Dataset:
    """Compute the features of `groups`, fit the transform on the training part and cut the three parts.

    Args:
        market: Checked data with its splits. Instruments that are not traded only train.
        groups: Feature groups, see `firstflight.workloads.market.features.indicators.GROUPS`.
        max_rows: Most recent training samples used, to fit the transform too; none: all of them.

    Raises:
        InvalidDataError: A part has no sample.
        ValueError: A group is unknown.
    """
    names = feature_names(groups)
    series = tuple(_series(market, symbol, groups) for symbol in market.symbols)
    traded = tuple(one for one in series if one.symbol in market.traded)
    chosen = {
        "train": (series, _samples(series, market.splits.train, max_rows)),
        "validation": (traded, _samples(traded, market.splits.validation, None)),
        "test": (traded, _samples(traded, market.splits.test, None)),
    }
    if empty := [name for name, (_, samples) in chosen.items() if len(samples) == 0]:
        raise InvalidDataError(market.name, tuple(f"no {name} sample with {ROWS} days of history" for name in empty))
    transform = Transform.fit(_raw_rows(series, chosen["train"][1]), groups, market.fear_source)
    parts = {name: _part(of, samples, transform) for name, (of, samples) in chosen.items()}
    return Dataset(transform=transform, digest=training_data_hash(market, names, max_rows), **parts)


def _series(market: Market, symbol: str, groups: Sequence[str]) -> _Series:
    date, values = market.series(symbol)
    if len(date) <= ROWS:
        none = np.empty((0, len(feature_names(groups))))
        return _Series(symbol, none, date[:0], np.empty(0))
    close = values[:, 3]
    forward = close[ROWS:] / close[ROWS - 1 : -1] - 1.0
    return _Series(symbol, compute(values[None], groups)[0], date[ROWS - 1 : -1], forward)


def _samples(series: Sequence[_Series], period: Period, most: int | None) -> NDArray[np.intp]:
    """Return [N, 2]: place of the series and of the day in it, by date, then symbol; the last `most` of them."""
    days = np.concatenate([one.date for one in series])
    places = np.concatenate(
        [np.column_stack([np.full(len(s.date), i), np.arange(len(s.date))]) for i, s in enumerate(series)]
    )
    held = period.holds(days)
    order = np.lexsort((places[held, 0], days[held]))
    return places[held][order][-most:] if most else places[held][order]


def _raw_rows(series: Sequence[_Series], samples: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the raw features of the samples' own days."""
    return np.concatenate(
        [one.raw[samples[samples[:, 0] == i, 1] + ROWS - 1 - WARM_UP] for i, one in enumerate(series)]
    )


def _part(series: Sequence[_Series], samples: NDArray[np.intp], transform: Transform) -> Part:
    count = len(samples)
    x = np.empty((count, STEPS, len(transform.features)), np.float32)
    forward, date = np.empty(count), np.empty(count, "datetime64[D]")
    symbol = np.array([one.symbol for one in series])[samples[:, 0]]
    for i, one in enumerate(series):
        mine = samples[:, 0] == i
        place = samples[mine, 1]
        if len(place) == 0:
            continue
        windows = sliding_window_view(transform.scaled(one.raw), STEPS, axis=0)
        x[mine] = windows[place].transpose(0, 2, 1)
        forward[mine], date[mine] = one.forward_return[place], one.date[place]
    return Part(x=x, y=(forward > 0).astype(np.float32), forward_return=forward, symbol=symbol, date=date)
