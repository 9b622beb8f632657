"""Metrics of the catalogue as the client library has them."""

from collections.abc import Sequence
from itertools import accumulate

from prometheus_client.core import Metric

from firstflight.telemetry.catalogue import OF_OURS, Described

_NAMED = {one.name: one for one in OF_OURS}


class Family(Metric):
    """The samples of one metric."""

    def __init__(self, described: Described) -> None:
        """Begin with none."""
        super().__init__(described.name, described.told, described.kind)
        self._labels = described.labels
        self._end = "_total" if described.kind == "counter" else ""

    def add(self, labels: Sequence[str], value: float) -> None:
        """Add one sample of a gauge or a counter."""
        self.add_sample(self.name + self._end, self._named(labels), value)

    def add_histogram(
        self, labels: Sequence[str], edges: Sequence[float], counts: Sequence[int], total: float | None = None
    ) -> None:
        """Add what was counted between `edges`, and beyond the last; `total` where no value is below zero."""
        upto = list(accumulate(counts))
        named = self._named(labels)
        for edge, count in zip((*map(str, edges), "+Inf"), upto, strict=True):
            self.add_sample(f"{self.name}_bucket", {**named, "le": edge}, count)
        if total is not None:
            self.add_sample(f"{self.name}_count", named, upto[-1])
            self.add_sample(f"{self.name}_sum", named, total)

    def _named(self, labels: Sequence[str]) -> dict[str, str]:
        return dict(zip(self._labels, labels, strict=True))


def family(name: str) -> Family:
    """Return a family of the metric called `name` in the catalogue, without samples."""
    return Family(_NAMED[name])
