"""The held-out days become questions in the order they came, with the truth kept aside."""

from itertools import pairwise

import numpy as np

from firstflight.workloads.market.data.market import Market
from firstflight.workloads.market.features.dataset import build_dataset
from firstflight.workloads.market.features.held_out import COST, held_out_questions


def test_the_packaged_test_part_is_6030_questions(packaged: Market) -> None:
    """Six instruments on 1,005 days, the first and the last as documented."""
    questions = list(held_out_questions(packaged))
    assert 6030 == len({question.unit for question in questions}) == len(questions)
    assert ("AAPL@2019-01-02", "NVDA@2022-12-27") == (questions[0].unit, questions[-1].unit)
    assert 1005 == len({question.block for question in questions})


def test_days_follow_each_other(small_market: Market) -> None:
    """All instruments of a day come before the next day's, by name."""
    keys = [tuple(reversed(q.unit.split("@"))) for q in held_out_questions(small_market)]
    assert all(before < after for before, after in pairwise(keys))
    assert all(q.unit.endswith(f"@{q.block}") for q in held_out_questions(small_market))


def test_truth_is_never_in_the_inputs(small_market: Market) -> None:
    """The last row of a history is the day's own; the next day's values are nowhere in it."""
    for question in held_out_questions(small_market):
        symbol, day = question.unit.split("@")
        days, values = small_market.series(symbol)
        t = int(np.searchsorted(days, np.datetime64(day)))
        (history,) = question.inputs["history"]
        np.testing.assert_array_equal(values[t], history[-1])
        assert not np.isin(values[t + 1], history).any()
        assert history.base is None or history.base.size == history.size


def test_the_future_is_not_asked_with(small_market: Market) -> None:
    """Were tomorrow another day, today's inputs would be the same, and truth and payoff others."""
    first = next(held_out_questions(small_market))
    symbol, day = first.unit.split("@")
    table = small_market.table.copy()
    later = (table["symbol"] == symbol) & (table["date"].to_numpy("datetime64[D]") > np.datetime64(day))
    table.loc[later, ["open", "high", "low", "close"]] *= 0.5 if first.truth else 2.0
    changed = next(held_out_questions(Market(**{**vars(small_market), "table": table})))
    np.testing.assert_array_equal(first.inputs["history"], changed.inputs["history"])
    assert first.truth != changed.truth


def test_questions_agree_with_the_test_part(small_market: Market) -> None:
    """Units, truth and payoff are the test part's days, labels and returns, less the cost."""
    test = build_dataset(small_market, ("price",)).test
    questions = list(held_out_questions(small_market))
    assert [f"{s}@{d}" for s, d in zip(test.symbol, test.date, strict=True)] == [q.unit for q in questions]
    np.testing.assert_array_equal(test.y, [q.truth for q in questions])
    np.testing.assert_allclose(test.forward_return - COST, [q.payoff for q in questions])
