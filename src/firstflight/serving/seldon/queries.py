"""What the mesh counts, as PromQL selectors.

Requests are read from Envoy, not from the agent beside the model server: Envoy alone sees what clients see. A server
that is down, a pod that cannot be reached and a client that gave up leave no trace in the agent's counters, so a dead
candidate would look like one that nobody asks.

- `envoy_cluster_upstream_rq_xx` counts one final answer for each request, retries left out;
- `envoy_cluster_upstream_rq_retry` counts attempts that failed and were repeated, five at most for a request;
- a client that left is counted by the connection that is then closed on its request (on HTTP/1.1 each request has one
  to itself), or, while none was open yet, by `envoy_cluster_upstream_rq_cancelled`; a candidate that hangs shows here
  alone, since no route has a timeout;
- `envoy_cluster_upstream_rq_time` is the only latency histogram there is for each model.

A cluster is called `<model>_<version>_http`, where the version is the scheduler's own; a shadow has a cluster of its
own. gRPC is left out: its failures are answers of code 200 to Envoy, and would count as healthy.
"""

from firstflight.domain.series import GatewaySeries, ModelSeries


def gateway_series(namespace: str) -> GatewaySeries:
    """Return the selectors of the mesh in `namespace`, a label that the Prometheus operator adds to what it scrapes."""
    return GatewaySeries(
        uptime=f'envoy_server_uptime{{namespace="{namespace}"}}',
        of_model=lambda name: _of_model(namespace, name),
    )


def _of_model(namespace: str, name: str) -> ModelSeries:
    clusters = f'namespace="{namespace}",envoy_cluster_name=~"{name}_[0-9]+_http"'
    return ModelSeries(
        answered=f"envoy_cluster_upstream_rq_xx{{{clusters}}}",
        refused=f'envoy_cluster_upstream_rq_xx{{{clusters},envoy_response_code_class="5"}}',
        retried=f"envoy_cluster_upstream_rq_retry{{{clusters}}}",
        abandoned=(
            f"envoy_cluster_upstream_cx_destroy_local_with_active_rq{{{clusters}}}",
            f"envoy_cluster_upstream_rq_cancelled{{{clusters}}}",
        ),
        latency=f"envoy_cluster_upstream_rq_time_bucket{{{clusters}}}",
    )
