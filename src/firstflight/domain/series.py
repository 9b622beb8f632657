"""Which counters of a gateway tell what a served model did: PromQL selectors, handed to whoever reads them."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class ModelSeries:
    """Selectors of counters about one served model; a selector's series are added up.

    `answered`: requests whose answer was sent to the client, whatever it was; `refused`: those of them answered with
    5xx. `retried`: attempts that failed and were repeated before the client saw anything. `abandoned`: requests whose
    client left before the answer. `latency`: a cumulative histogram, label `le` in milliseconds.
    """

    answered: str
    refused: str
    retried: str
    abandoned: tuple[str, ...]
    latency: str


@dataclass(frozen=True)
class GatewaySeries:
    """`uptime`: a gauge in every scrape of a gateway's process, seconds since it began; `of_model`: by served name."""

    uptime: str
    of_model: Callable[[str], ModelSeries]
