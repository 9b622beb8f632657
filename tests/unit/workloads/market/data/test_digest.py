"""The digest names exactly the data a model learned from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from firstflight.workloads.market.data.digest import training_data_hash
from firstflight.workloads.market.data.market import Market, load_market
from firstflight.workloads.market.data.splits import proportional_splits

FEATURES = ("return_1", "range")


@pytest.fixture
def market(csv_file: Path) -> Market:
    """A small market."""
    return load_market(csv_file)


def test_the_form_and_bytes_of_a_file_do_not_matter(csv_file: Path, market: Market) -> None:
    """The same values from a Parquet file have the same digest."""
    parquet = csv_file.with_suffix(".parquet")
    table = pd.read_csv(csv_file)
    table.assign(date=pd.to_datetime(table["date"])).to_parquet(parquet)
    assert training_data_hash(market, FEATURES) == training_data_hash(load_market(parquet), FEATURES)


def test_the_order_of_rows_does_not_matter(market: Market) -> None:
    """Instruments in another order have the same digest."""
    turned = market.table.sort_values(["symbol", "date"], ascending=[False, True], ignore_index=True)
    assert training_data_hash(market, FEATURES) == training_data_hash(replace(market, table=turned), FEATURES)


def test_every_ingredient_matters(market: Market) -> None:
    """Another value, day, name, feature, fear index, split or number of rows gives another digest."""
    table = market.table
    closer = table.assign(close=table["close"].where(table.index != 7, table["close"] + 1e-5))
    later = table.assign(date=table["date"].where(table.index != len(table) - 1, table["date"] + pd.Timedelta(days=1)))
    days = np.unique(table["date"].to_numpy("datetime64[D]"))
    digests = {
        training_data_hash(market, FEATURES),
        training_data_hash(replace(market, table=closer), FEATURES),
        training_data_hash(replace(market, table=later), FEATURES),
        training_data_hash(replace(market, table=table.replace({"symbol": {"BBB": "BBC"}})), FEATURES),
        training_data_hash(replace(market, fear_source="vix"), FEATURES),
        training_data_hash(replace(market, traded=("AAA",)), FEATURES),
        training_data_hash(replace(market, splits=proportional_splits(days[:-5])), FEATURES),
        training_data_hash(market, FEATURES[:1]),
        training_data_hash(market, FEATURES, max_rows=1000),
    }
    assert 9 == len(digests)


def test_the_digest_of_packaged_data_is_pinned(packaged: Market) -> None:
    """The packaged data are what they were when the documentation was written."""
    assert "sha256:753b3b24617f42cf21afddd0e41ba31cf42b56d49c668ab2d0d22e443717eba7" == training_data_hash(
        packaged, FEATURES
    )
