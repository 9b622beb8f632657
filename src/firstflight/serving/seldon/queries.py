"""What the mesh counts, as PromQL selectors.

Requests are read from Envoy, not from the agent beside the model server: Envoy alone sees what clients see. A server
that is down, a pod that cannot be reached and a client that gave up leave no trace in the agent's counters, so a dead
candidate would look like one that nobody asks.

- `envoy_cluster_upstream_rq_xx` counts one final answer for each request, retries left out;
- `envoy_cluster_upstream_rq_retry` counts attempts that failed and were repeated, five at most for a request;
- a client that left is what is missing: an attempt neither repeated nor answered nor on its way. No counter says it by
  itself: `cx_destroy_local_with_active_rq` rises for each repeated attempt too, whose answer had a body. A candidate
  that hangs shows here alone, since no route has a timeout;
- `rq_total` counts an attempt once it has a connection, and other counters those that never had one;
- `envoy_cluster_upstream_rq_time` is the only latency histogram there is for each model.

A cluster is called `<model>_<version>_http`, where the version is the scheduler's own; a shadow has a cluster of its
own. gRPC is told apart: its failures are answers of code 200 to Envoy, and would count as healthy. That there were
predictions by gRPC the agents say, who count those alone; Envoy counts our own questions with them.
"""

from firstflight.domain.series import GatewaySeries, ModelSeries
from firstflight.serving.tallies import ATTEMPTED


def gateway_series(namespace: str) -> GatewaySeries:
    """Return the selectors of the mesh in `namespace`, a label that the Prometheus operator adds to what it scrapes."""
    return GatewaySeries(
        uptime=f'envoy_server_uptime{{namespace="{namespace}"}}',
        of_model=lambda name: _of_model(namespace, name),
    )


def _of_model(namespace: str, name: str) -> ModelSeries:
    clusters = f'namespace="{namespace}",envoy_cluster_name=~"{name}_[0-9]+_http"'
    return ModelSeries(
        attempted=tuple(f"envoy_cluster_upstream_{counter}{{{clusters}}}" for counter in ATTEMPTED),
        answered=f"envoy_cluster_upstream_rq_xx{{{clusters}}}",
        failed=f'envoy_cluster_upstream_rq_xx{{{clusters},envoy_response_code_class="5"}}',
        refused=f'envoy_cluster_upstream_rq_xx{{{clusters},envoy_response_code_class="4"}}',
        retried=f"envoy_cluster_upstream_rq_retry{{{clusters}}}",
        active=f"envoy_cluster_upstream_rq_active{{{clusters}}}",
        latency=f"envoy_cluster_upstream_rq_time_bucket{{{clusters}}}",
        apart=(
            f'seldon_model_infer_total{{namespace="{namespace}",model="{name}",method_type="grpc"}}',
            f'envoy_cluster_upstream_rq_total{{namespace="{namespace}",envoy_cluster_name=~"{name}_[0-9]+_grpc"}}',
        ),
    )
