"""Small data: an invented market, and a dataset whose label can be learned."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from firstflight.workloads.market.data.columns import COLUMNS
from firstflight.workloads.market.data.market import Market
from firstflight.workloads.market.data.splits import proportional_splits
from firstflight.workloads.market.features.dataset import Dataset, Part
from firstflight.workloads.market.features.indicators import STEPS, feature_names
from firstflight.workloads.market.features.transform import Transform
from firstflight.workloads.market.training.evaluation import Evaluation, Scores
from firstflight.workloads.market.training.trading import Trading

DAYS = 400


@pytest.fixture(scope="session")
def invented_market() -> Market:
    """Three instruments that walk at random for 400 days; two of them are traded."""
    days = pd.bdate_range("2020-01-01", periods=DAYS)
    tables = []
    for seed, symbol in enumerate(("AAA", "BBB", "IDX")):
        rng = np.random.default_rng(seed)
        close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, DAYS)))
        opened = close * np.exp(rng.normal(0.0, 0.01, DAYS))
        spread = np.exp(np.abs(rng.normal(0.0, 0.01, DAYS)))
        values = {
            "open": opened,
            "high": np.maximum(opened, close) * spread,
            "low": np.minimum(opened, close) / spread,
            "close": close,
            "volume": rng.lognormal(13.0, 0.5, DAYS),
            "fear": rng.uniform(10.0, 30.0, DAYS),
        }
        tables.append(pd.DataFrame(values).assign(symbol=symbol, date=days.astype("datetime64[s]")))
    return Market(
        name="invented",
        table=pd.concat(tables, ignore_index=True)[["symbol", "date", *COLUMNS]],
        fear_source="realised_volatility",
        traded=("AAA", "BBB"),
        splits=proportional_splits(days.to_numpy("datetime64[D]")),
        sources=("invented for a test",),
    )


@pytest.fixture
def learnable() -> Dataset:
    """Windows whose first feature, in the last step, says whether the price rises."""
    groups = ("price", "volume")
    rng = np.random.default_rng(0)

    def part(days: int, since: str) -> Part:
        x = rng.normal(size=(2 * days, STEPS, len(feature_names(groups)))).astype(np.float32)
        forward_return = np.where(x[:, -1, 0] > 0, 0.01, -0.01) + rng.normal(0, 0.001, 2 * days)
        date = np.repeat(np.arange(np.datetime64(since, "D"), np.datetime64(since, "D") + days), 2)
        return Part(x, (forward_return > 0).astype(np.float32), forward_return, np.tile(["AAA", "BBB"], days), date)

    transform = Transform.fit(rng.normal(size=(100, len(feature_names(groups)))), groups, "realised_volatility")
    return Dataset(
        transform, part(600, "2010-01-01"), part(100, "2015-01-01"), part(100, "2018-01-01"), "sha256:" + "1" * 64
    )


@pytest.fixture(scope="session")
def make_evaluation() -> Callable[..., Evaluation]:
    """Make an evaluation of a sound model, with the given figures instead of its own."""

    def make(**figures: float) -> Evaluation:
        scores = {"accuracy": 0.53, "auc": 0.53, "mcc": 0.04, "brier": 0.248, "log_loss": 0.69, "up_share": 0.7}
        trading = {"profit": 1.0, "sharpe": 1.5, "max_drawdown": -0.2, "turnover": 0.3}
        made = Scores(rows=200, days=100, **{name: figures.get(name, value) for name, value in scores.items()})
        rule = Trading(**{name: figures.get(name, value) for name, value in trading.items()})
        return Evaluation(scores=made, trading=rule, constant=made, buy_and_hold=rule)

    return make
