"""The one fitted step between market data and a model, in training and in serving.

Imported inside the model server: numpy, TA-Lib and pydantic only.
"""

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from firstflight.domain.errors import InvalidDataError
from firstflight.domain.values import Value
from firstflight.workloads.market.features.history import check_history
from firstflight.workloads.market.features.indicators import ROWS, STEPS, compute, feature_names

CLIP = 5.0
"""Standard deviations beyond which a feature is cut: one day of 2008 must not steer a network."""
MIN_SCALE = 1e-9


class Transform(Value):
    """Features of `groups`, centred and scaled by what the training part showed.

    `fear_source` names the index behind the column fear; asking with another one is asking another model.
    """

    groups: tuple[str, ...]
    features: tuple[str, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    fear_source: str
    rows: int = Field(default=ROWS, description="Days of history a request carries.")
    steps: int = Field(default=STEPS, description="Days the model sees.")

    @model_validator(mode="after")
    def _fits_this_code(self) -> Self:
        if (known := feature_names(self.groups)) != self.features:
            raise ValueError(f"fitted on features {self.features}, this version computes {known}")
        if not len(self.features) == len(self.mean) == len(self.scale):
            raise ValueError(f"{len(self.features)} features, {len(self.mean)} means, {len(self.scale)} scales")
        if min(self.scale) <= 0:
            raise ValueError(f"scale {min(self.scale)} must be positive")
        if (self.rows, self.steps) != (ROWS, STEPS):
            raise ValueError(f"fitted for {self.rows} rows and {self.steps} steps, this version has {ROWS} and {STEPS}")
        return self

    @classmethod
    def fit(cls, raw: NDArray[np.float64], groups: Sequence[str], fear_source: str) -> Self:
        """Learn mean and scale from raw features [N, F] of the training part alone.

        Raises:
            InvalidDataError: There are no rows or a feature is not finite.
        """
        names = feature_names(groups)
        broken = [name for name, column in zip(names, raw.T, strict=True) if not np.isfinite(column).all()]
        if broken or len(raw) == 0:
            raise InvalidDataError("training features", (f"{len(raw)} rows, not finite: {broken or 'none'}",))
        scale = raw.std(axis=0)
        return cls(
            groups=tuple(groups),
            features=names,
            mean=tuple(raw.mean(axis=0).tolist()),
            scale=tuple(np.where(scale > MIN_SCALE, scale, 1.0).tolist()),
            fear_source=fear_source,
        )

    def apply(self, history: ArrayLike) -> NDArray[np.float32]:
        """Return model inputs [B, STEPS, F] of histories [B, ROWS, 6] (open, high, low, close, volume, fear).

        Raises:
            InvalidDataError: The history is not one (see `check_history`).
        """
        return self.scaled(compute(check_history(history), self.groups))

    def scaled(self, raw: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return raw features [..., F] centred, scaled and cut at CLIP standard deviations."""
        centred = (raw - np.array(self.mean)) / np.array(self.scale)
        inputs: NDArray[np.float32] = np.clip(centred, -CLIP, CLIP).astype(np.float32)
        return inputs

    def to_json(self) -> str:
        """Return the transform as JSON, to lie beside the model it belongs to."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Return the transform written by `to_json`. Raises ValueError when it does not fit this code."""
        return cls.model_validate_json(text)
