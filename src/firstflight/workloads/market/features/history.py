"""The guard in front of a prediction: what a request's history must look like."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firstflight.domain.errors import InvalidDataError
from firstflight.workloads.market.data.columns import (
    COLUMNS,
    MAX_FEAR,
    MAX_PRICE,
    MAX_RANGE,
    MAX_VOLUME,
    MIN_PRICE,
    RANGE_TOLERANCE,
)
from firstflight.workloads.market.features.indicators import ROWS


def check_history(history: ArrayLike) -> NDArray[np.float64]:
    """Return `history` as float64 [B, ROWS, 6].

    Raises:
        InvalidDataError: The shape is another, a value is missing, infinite or out of range, or a day's high,
            low, open and close contradict each other; every fault is named.
    """
    try:
        values = np.asarray(history, dtype=np.float64)
    except (TypeError, ValueError) as failed:
        raise InvalidDataError("history", (f"not an array of numbers: {failed}",)) from failed
    if values.ndim != 3 or values.shape[1:] != (ROWS, len(COLUMNS)) or len(values) == 0:  # noqa: PLR2004 (B, rows, columns)
        raise InvalidDataError("history", (f"shape {values.shape}, must be (1 or more, {ROWS}, {len(COLUMNS)})",))
    if faults := _faults(values):
        raise InvalidDataError("history", faults)
    return values


def _faults(values: NDArray[np.float64]) -> tuple[str, ...]:
    if not np.isfinite(values).all():
        return tuple(
            f"{name} holds {word}"
            for column, name in enumerate(COLUMNS)
            for word, found in (("NaN", np.isnan(values[..., column])), ("infinity", np.isinf(values[..., column])))
            if found.any()
        )
    opened, high, low, close, volume, fear = np.moveaxis(values, -1, 0)
    prices, slack = values[..., :4], RANGE_TOLERANCE * close
    rules = (
        (prices.min() >= MIN_PRICE, f"a price is {prices.min():g}, must be positive (at least {MIN_PRICE:g})"),
        (prices.max() <= MAX_PRICE, f"a price is {prices.max():g}, must be at most {MAX_PRICE:g}"),
        (volume.min() >= 0, f"a volume is {volume.min():g}, must not be negative"),
        (volume.max() <= MAX_VOLUME, f"a volume is {volume.max():g}, must be at most {MAX_VOLUME:g}"),
        (fear.min() > 0, f"a fear level is {fear.min():g}, must be positive"),
        (fear.max() <= MAX_FEAR, f"a fear level is {fear.max():g}, must be at most {MAX_FEAR:g}"),
        ((high >= low).all(), "high is below low"),
        (
            (high >= np.maximum(opened, close) - slack).all() and (low <= np.minimum(opened, close) + slack).all(),
            "open or close lies outside low and high",
        ),
        (
            (high <= MAX_RANGE * np.maximum(opened, close)).all()
            and (np.minimum(opened, close) <= MAX_RANGE * low).all(),
            "high or low lies a factor of more than e from open and close",
        ),
    )
    return tuple(fault for holds, fault in rules if not holds)
