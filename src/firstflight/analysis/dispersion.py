"""How much more events vary from look to look than independent requests would.

Errors come in bursts and outcomes in clusters. Every likelihood ratio is then too sure of itself; raised to the
power 1/φ it is not. φ is Pearson's dispersion of the control's looks, as for quasi-likelihood (McCullagh and Nelder,
"Generalized linear models", 1989, section 4.5). A heuristic, measured in docs/statistics.md, not a theorem.
"""

from typing import NamedTuple

from firstflight.domain.samples import Moments

FEWEST = 4
SUSPECTED = 1.3


class Spread(NamedTuple):
    """Sums over the looks of one arm: number, Σ events, Σ exposures and Σ events²/exposures."""

    looks: int = 0
    events: float = 0
    exposures: int = 0
    squares: float = 0.0

    def and_look(self, events: float, exposures: int) -> "Spread":
        """Return the sums with one more look; a look without exposures changes nothing."""
        if exposures == 0:
            return self
        return Spread(
            self.looks + 1, self.events + events, self.exposures + exposures, self.squares + events * events / exposures
        )


class MeanSpread(NamedTuple):
    """Sums over the looks of one arm's values: number, how many, Σ, Σ of count·mean², Σ of squares within looks."""

    looks: int = 0
    size: int = 0
    total: float = 0.0
    squares: float = 0.0
    within: float = 0.0

    def and_look(self, values: Moments) -> "MeanSpread":
        """Return the sums with one more look; a look without values changes nothing."""
        if values.count == 0:
            return self
        total = values.count * values.mean
        return MeanSpread(
            self.looks + 1,
            self.size + values.count,
            self.total + total,
            self.squares + total * values.mean,
            self.within + values.m2,
        )


def mean_dispersion(spread: MeanSpread, *, exposures: float = 0.0, caution: int = 0) -> float:
    """Return φ ≥ 1 of means: how much more they vary from look to look than within looks; as `dispersion` else."""
    chi_square, freedom = caution * SUSPECTED, caution
    inside = spread.size - spread.looks
    if spread.looks > 1 and inside > 0 and spread.within > 0:
        between = max(spread.squares - spread.total**2 / spread.size, 0.0)
        chi_square += between / (spread.within / inside)
        freedom += spread.looks - 1
    if freedom < FEWEST:
        return 1.0
    return _scaled(chi_square / freedom, exposures * spread.looks / spread.size if spread.size else 1.0)


def dispersion(spread: Spread, *, exposures: float = 0.0, caution: int = 0) -> float:
    """Return φ ≥ 1 for looks of so many `exposures`, from the looks of one arm.

    φ̂ = Σ (x_i - n_i·p̂)² / (n_i·p̂·(1-p̂)) / (K-1), never below 1; it is 1 while fewer than `FEWEST` degrees of
    freedom speak. What exceeds 1 grows with the exposures of a look when each look draws its own rate, so it is
    scaled up to `exposures` where they are more than the arm's average look, and never down. Of two arms compared
    those of the larger: either varies by the size of its own look, not by that of both.
    `caution` degrees of freedom are taken to have shown `SUSPECTED` before anything was seen.
    """
    chi_square, freedom = caution * SUSPECTED, caution
    looks, events, size, squares = spread
    if looks > 1 and 0 < events < size:
        rate = events / size
        chi_square += (squares - events * rate) / (rate * (1 - rate))
        freedom += looks - 1
    if freedom < FEWEST:
        return 1.0
    return _scaled(chi_square / freedom, exposures * looks / size if size else 1.0)


def _scaled(ratio: float, scale: float) -> float:
    return 1.0 + max(ratio - 1, 0.0) * max(scale, 1.0)
