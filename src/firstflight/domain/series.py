"""Which counters of a gateway tell what a served model did: PromQL selectors, handed to whoever reads them."""

from collections.abc import Callable
from dataclasses import dataclass


def abandoned(*, attempted: int, retried: int, answered: int, active: int) -> int:
    """Return how many requests a gateway gave to a model and brought back no answer of: their clients had left.

    Each attempt is repeated, or answered, or still on its way, or left alone. What the gateway reads apart by a moment
    may differ by one request in flight; less than none is none.
    """
    return max(0, attempted - retried - answered - active)


@dataclass(frozen=True)
class ModelSeries:
    """Selectors of counters about one served model; a selector's series are added up.

    `attempted`: every attempt, those that found nobody to connect to included. `answered`: requests whose answer was
    sent to the client, whatever it was; `failed`: those of them answered with 5xx, `refused`: with 4xx. `retried`:
    attempts that failed and were repeated before the client saw anything. `active`: a gauge, attempts on their way.
    `latency`: a cumulative histogram, label `le` in milliseconds. `apart`: predictions that came another way, on which
    the others say nothing, counted by some other process; and attempts of that way at the gateway, its own questions
    among them, for where that process is not scraped. None where there is no other way.
    """

    attempted: tuple[str, ...]
    answered: str
    failed: str
    refused: str
    retried: str
    active: str
    latency: str
    apart: tuple[str, str] | None = None


@dataclass(frozen=True)
class GatewaySeries:
    """`uptime`: a gauge in every scrape of a gateway's process, seconds since it began; `of_model`: by served name."""

    uptime: str
    of_model: Callable[[str], ModelSeries]
