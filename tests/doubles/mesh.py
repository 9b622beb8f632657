"""The counters of the mesh's Envoy: what it would expose after the requests it is told of."""

import bisect
from collections import Counter
from collections.abc import Iterable, Mapping

from firstflight.observation.records import Prediction

EDGES = (
    *(0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0),
    *(30_000.0, 60_000.0, 300_000.0, 600_000.0, 1_800_000.0, 3_600_000.0),
)
"""Milliseconds: the buckets of an Envoy that was told of none."""
NAMESPACE = "models"
TARGET = {"instance": "10.0.0.7:9003", "job": "models/seldon-envoy", "namespace": NAMESPACE, "pod": "seldon-envoy-0"}

Labels = frozenset[tuple[str, str]]


class Mesh:
    """One Envoy process that began at `began`, in milliseconds."""

    def __init__(self, began: int, target: Mapping[str, str] | None = None) -> None:
        self.began = began
        self.target = TARGET if target is None else target
        self._counters: Counter[Labels] = Counter()

    def expose(self, now: int) -> dict[Labels, float]:
        """Return every series, without the labels that the scrape adds."""
        uptime = float((now - self.began) // 1000)
        return {_series("envoy_server_uptime"): uptime, **{series: float(n) for series, n in self._counters.items()}}

    def record(self, predictions: Iterable[Prediction]) -> None:
        """Count requests; a failure that a gateway with a fallback would mask is one that the client sees here."""
        for one in predictions:
            model = one.arm
            if model is not None:
                masked = one.listener == "main" and one.served is not None and one.served != model
                self.ask(
                    model, code=502 if masked else one.code, milliseconds=None if one.us is None else one.us // 1000
                )

    def begin(self, model: str, count: int) -> None:
        """Have so many requests more on their way; fewer, when below 0: `ask` says how those ended."""
        self._add("envoy_cluster_upstream_rq_total", f"{model}_1_http", count)
        self._add("envoy_cluster_upstream_rq_active", f"{model}_1_http", count)

    def ask(
        self,
        model: str,
        *,
        code: int = 200,
        milliseconds: int | None = 5,
        retries: int = 0,
        reached: bool = True,
    ) -> None:
        """Count one request to `model`; code 0: the client left; not `reached`: there was nobody to connect to.

        As Envoy 1.40 does, an attempt that was repeated and whose answer had a body cuts its connection too.
        """
        cluster = f"{model}_1_http"
        attempts = "rq_total" if reached else "rq_pending_failure_eject"
        self._add(f"envoy_cluster_upstream_{attempts}", cluster, 1 + retries)
        self._add("envoy_cluster_upstream_rq_active", cluster, 0)
        self._add("envoy_cluster_upstream_rq_retry", cluster, retries)
        self._add("envoy_cluster_upstream_cx_destroy_local_with_active_rq", cluster, retries + int(code == 0))
        if code:
            self._add("envoy_cluster_upstream_rq_xx", cluster, 1, envoy_response_code_class=str(code // 100))
        if milliseconds is not None:
            reached = bisect.bisect_left(EDGES, milliseconds)
            for place, edge in enumerate([*(f"{edge:g}" for edge in EDGES), "+Inf"]):
                self._add("envoy_cluster_upstream_rq_time_bucket", cluster, int(place >= reached), le=edge)

    def call(self, model: str, count: int, *, predictions: bool) -> None:
        """Count gRPC calls, which Envoy takes for answers; an agent, whose series stand here too, counts each."""
        self._add("envoy_cluster_upstream_rq_total", f"{model}_1_grpc", count)
        self._add("envoy_cluster_upstream_rq_xx", f"{model}_1_grpc", count, envoy_response_code_class="2")
        if predictions:
            labels = {"model": model, "method_type": "grpc", "code": "Internal"}
            self._counters[_series("seldon_model_infer_total", **labels)] += count

    def _add(self, name: str, cluster: str, count: int, **labels: str) -> None:
        self._counters[_series(name, envoy_cluster_name=cluster, **labels)] += count


def _series(name: str, **labels: str) -> Labels:
    return frozenset({"__name__": name, **labels}.items())
