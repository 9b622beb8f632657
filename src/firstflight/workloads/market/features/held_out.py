"""The test part as questions a client asks, in the order the days came."""

from collections.abc import Iterator

import numpy as np

from firstflight.domain.questions import Question
from firstflight.workloads.market.data.market import Market
from firstflight.workloads.market.features.indicators import ROWS

COST = 0.0002
"""2 basis points per trade, taken off the payoff of every position."""


def held_out_questions(market: Market) -> Iterator[Question]:
    """Yield each traded instrument of the first test day, by name, then those of the next day, and so on.

    Inputs are `history` [1, ROWS, 6] up to that day's close. Truth is whether the next close was strictly
    higher, payoff the simple return until then less 2 basis points.
    """
    series = {symbol: market.series(symbol) for symbol in sorted(market.traded)}
    asked = sorted(
        (day, symbol, place)
        for symbol, (days, _) in series.items()
        for place, day in enumerate(days[:-1])
        if place >= ROWS - 1 and market.splits.test.since <= day <= market.splits.test.until
    )
    for day, symbol, place in asked:
        values = series[symbol][1]
        close, following = values[place, 3], values[place + 1, 3]
        yield Question(
            unit=f"{symbol}@{day}",
            block=str(day),
            inputs={"history": np.array(values[None, place - ROWS + 1 : place + 1])},
            truth=float(following > close),
            payoff=float(following / close - 1.0 - COST),
        )
