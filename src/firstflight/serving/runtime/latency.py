"""How long models take to answer, as Prometheus is told; each bucket with the name of a request that fell into it."""

import re

from prometheus_client import Histogram

EDGES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
TOLD = "From the whole request to its answer in the model server, by what became of it."
RESULTS = ("answered", "refused", "failed", "left")
"""A client's mistake is refused; who left was not waited for."""
SECONDS = Histogram(
    "model_inference_latency_seconds",
    TOLD,
    ("model", "variant", "result"),
    buckets=EDGES,
)
_SAYABLE = re.compile(r"[\x21-\x7e]{1,100}")
"""Of a client's id; OpenMetrics takes 128 characters, and a page of text no broken ones."""


def begin(model: str, variant: str) -> None:
    """Say of a model that was loaded that nothing was asked of it yet."""
    for result in RESULTS:
        SECONDS.labels(model, variant, result)


def observe(model: str, variant: str, result: str, seconds: float, request: str | None) -> None:
    """Count one request; the client called it `request`."""
    named = {"request_id": request} if request and _SAYABLE.fullmatch(request) else None
    SECONDS.labels(model, variant, result).observe(seconds, named)
