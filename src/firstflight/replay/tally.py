"""What the client saw, in memory that does not grow with the number of requests."""

from collections import Counter

from pydantic import Field

from firstflight.analysis.exceedance import quantile_estimate
from firstflight.domain.latency import EDGES, bucket, histogram
from firstflight.domain.samples import Histogram
from firstflight.domain.values import Value

OK = 200


class ReplaySummary(Value):
    """What a replay asked and saw. Milliseconds count from the moment a request should have been sent.

    `statuses` holds HTTP codes, 0 for no answer; `models` whom the gateway named, `none` where it named nobody.
    `lateness` is the client's own delay in sending: where it is not small, the client was the bottleneck and
    the latencies say little of the server.
    """

    route: str
    seconds: float = Field(ge=0)
    requests: int = Field(ge=0)
    ok: int = Field(ge=0)
    failed: int = Field(ge=0)
    statuses: dict[str, int]
    models: dict[str, int]
    latency: Histogram
    lateness: Histogram
    longest_ms: float = Field(ge=0)
    outcomes_posted: int = Field(default=0, ge=0)
    outcomes_left: int = Field(default=0, ge=0, description="Truths not posted; the flow score-outcomes posts them.")

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds if self.seconds else 0.0

    def latency_ms(self, quantile: float) -> float | None:
        """Return a quantile of the latency; None without requests."""
        return self._quantile(self.latency, quantile)

    def late_ms(self, quantile: float) -> float | None:
        """Return a quantile of the client's own lateness; None without requests."""
        return self._quantile(self.lateness, quantile)

    def _quantile(self, values: Histogram, quantile: float) -> float | None:
        found = quantile_estimate(values.edges, values.counts, quantile)
        return self.longest_ms if found is None and self.requests else found


class ReplayTally:
    """Counts what the client sees, answer by answer."""

    def __init__(self, route: str) -> None:
        self.route = route
        self.statuses: Counter[int] = Counter()
        self.models: Counter[str] = Counter()
        self._latency = [0] * (len(EDGES) + 1)
        self._lateness = [0] * (len(EDGES) + 1)
        self._longest = 0.0

    def record(self, status: int, model: str | None, latency: float, lateness: float) -> None:
        """Count one request: HTTP status (0: no answer), the model the gateway named, and two times in seconds."""
        self.statuses[status] += 1
        self.models[model or "none"] += 1
        self._latency[bucket(latency * 1000)] += 1
        self._lateness[bucket(max(0.0, lateness) * 1000)] += 1
        self._longest = max(self._longest, latency * 1000)

    def summary(self, seconds: float, posted: int = 0, left: int = 0) -> ReplaySummary:
        """Return what was counted in `seconds`."""
        requests = self.statuses.total()
        return ReplaySummary(
            route=self.route,
            seconds=seconds,
            requests=requests,
            ok=self.statuses[OK],
            failed=requests - self.statuses[OK],
            statuses={str(status): count for status, count in sorted(self.statuses.items()) if count},
            models=dict(sorted(self.models.items())),
            latency=histogram(self._latency),
            lateness=histogram(self._lateness),
            longest_ms=self._longest,
            outcomes_posted=posted,
            outcomes_left=left,
        )
