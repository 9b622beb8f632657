"""The fingerprint of exactly the data a model was trained and judged on."""

import hashlib
import json
from collections.abc import Sequence

import numpy as np

from firstflight.workloads.market.data.market import Market

SCHEMA_VERSION = 1
DECIMALS = 6


def training_data_hash(market: Market, features: Sequence[str], max_rows: int | None = None) -> str:
    """Return `sha256:<hex>` over the values, not over files: their bytes change with writer and time stamp.

    Hashed are the schema version, split dates, feature names, name of the fear index and `max_rows`; then
    per instrument, by name: the name, days since 1970 (int64) and the six columns rounded to 6 decimals
    (float64), little-endian.
    """
    splits = market.splits
    header = {
        "schema": SCHEMA_VERSION,
        "splits": [str(period) for period in (splits.train, splits.validation, splits.test)],
        "traded": sorted(market.traded),
        "features": list(features),
        "fear": market.fear_source,
        "max_rows": max_rows,
    }
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for symbol in sorted(market.symbols):
        days, values = market.series(symbol)
        digest.update(f"\n{symbol} {len(days)}\n".encode())
        digest.update(days.astype("datetime64[D]").astype("<i8").tobytes())
        digest.update(np.round(values, DECIMALS).astype("<f8").tobytes())
    return f"sha256:{digest.hexdigest()}"
