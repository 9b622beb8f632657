"""Blocks of requests that share their luck: a market day, a campaign, ten seconds."""

from dataclasses import dataclass

import numpy as np

from benchmarks.worlds.events import Floats, Ints


@dataclass(frozen=True)
class Blocks:
    """Every `size` requests in a row are a block, or all of some `seconds`.

    Within a block one model's answers are right together: their correlation is `icc`. With chance `shared` the other
    model has the very same luck in a block, else luck of its own; so answers of two models correlate by `shared * icc`.
    """

    size: int = 1
    seconds: float | None = None
    icc: float = 0.0
    shared: float = 0.5


class Luck:
    """The chance of being right in each block, drawn when first asked for: Beta-distributed."""

    def __init__(self, blocks: Blocks, accuracy: float, rng: np.random.Generator) -> None:
        """`accuracy` is the mean over blocks."""
        self._blocks, self._accuracy, self._rng = blocks, accuracy, rng
        self._drawn = np.empty((2, 0))

    def of(self, block: Ints) -> Floats:
        """Return two rows, each model's chance of being right, for the blocks asked, numbered from 0."""
        if not self._blocks.icc:
            return np.full((2, block.size), self._accuracy)
        missing = int(block.max(initial=-1)) + 1 - self._drawn.shape[1]
        if missing > 0:
            spread = 1 / self._blocks.icc - 1
            fresh = self._rng.beta(self._accuracy * spread, (1 - self._accuracy) * spread, (2, missing))
            same = self._rng.random(missing) < self._blocks.shared
            fresh[1, same] = fresh[0, same]
            self._drawn = np.concatenate([self._drawn, fresh], axis=1)
        return np.asarray(self._drawn[:, block])
