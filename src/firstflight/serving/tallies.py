"""What Envoy counted, by served model: from Prometheus' text format to tallies.

Clusters are named after the served model they lead to, up to the first `_`, which no served name has. On one machine a
request to a candidate passes the clusters `<name>_or_<stable>` (codes, retries, times; see `local.envoy`) and
`<name>_guarded` (what was really sent to it), one to anybody else `<name>_http` alone; in a cluster all pass
`<name>_<number>_http`. On one machine a request whose client chose the model passes clusters of its own (`…_chosen`).
What was asked about a model (`<name>_told`) is no prediction and not counted.

A call by gRPC (`…_grpc`) fails with code 200: what came of it is counted by gRPC's own status, on one machine. In a
cluster nobody counts that, and none of what is counted there is one of health.
https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/upstream/cluster_manager/cluster_stats
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from http import HTTPStatus

from firstflight.domain.calls import http_code
from firstflight.domain.samples import Histogram
from firstflight.domain.series import abandoned
from firstflight.serving.backend import RouterTally

_SAMPLE = re.compile(
    r"^envoy_cluster_(?:upstream_)?(?P<what>grpc_\d+|(?:rq|cx)_\w+)\{(?P<labels>[^}]*)\} (?P<value>\d+)$", re.MULTILINE
)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
ATTEMPTED = ("rq_total", "rq_pending_failure_eject", "rq_pending_overflow", "rq_cancelled", "cx_none_healthy")
"""Counters of attempts: with a connection; that got none, had no room, were left before; that had nobody to go to."""
TOLD = "_told"
"""Ends the name of a cluster that tells about a model: what is asked there is no prediction."""
BY_CLIENT = "_chosen"
"""Ends the name of a cluster for requests whose clients chose the model: they are no word of its health."""
GRPC = "_grpc"
"""Ends the name of a cluster whose failures are answers of code 200."""
_STATUS = "grpc_"
_UNTOLD = re.compile(rf"_\d+{GRPC}$")
"""Such a cluster in Seldon's mesh, where no status is counted."""
_Buckets = dict[float, int]


def tallies(text: str, names: Iterable[str], *, with_abandoned: bool = False) -> Mapping[str, RouterTally]:
    """Return the tally of each of `names` that `text` has counts of.

    Args:
        text: What one Envoy answers, or several of them one after the other: they are added up.
        names: Served names.
        with_abandoned: Whether requests whose clients left are failures too; where each attempt at a model is counted
            by one cluster, so that they can be told.
    """
    counts: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
    times: defaultdict[str, list[_Buckets]] = defaultdict(list)
    buckets: defaultdict[str, _Buckets] = defaultdict(lambda: defaultdict(int))
    for found in _SAMPLE.finditer(text):
        labels, value = dict(_LABEL.findall(found["labels"])), int(found["value"])
        cluster = labels["envoy_cluster_name"]
        if cluster.endswith(TOLD) or _UNTOLD.search(cluster):
            continue
        if cluster.endswith(BY_CLIENT):
            if found["what"] == "rq_total":
                counts[cluster.split("_")[0]]["chosen"] += value
        elif found["what"] == "rq_time_bucket":
            buckets[cluster][float(labels["le"])] += value
        else:
            counts[cluster.split("_")[0]][found["what"]] += value
            if _failed(found["what"], labels.get("envoy_response_code_class"), by_grpc=cluster.endswith(GRPC)):
                counts[cluster.split("_")[0]]["rq_5xx"] += value
    for cluster, of_cluster in buckets.items():
        times[cluster.split("_")[0]].append(of_cluster)
    return {
        name: RouterTally(
            requests=counts[name]["rq_total"],
            chosen=counts[name]["chosen"],
            failures=counts[name]["rq_5xx"]
            + counts[name]["rq_retry"]
            + (_abandoned(counts[name]) if with_abandoned else 0),
            latency=_histogram(times[name]),
        )
        for name in names
        if name in counts
    }


def _failed(what: str, code_class: str | None, *, by_grpc: bool) -> bool:
    if by_grpc:
        return (
            what.startswith(_STATUS) and http_code(int(what.removeprefix(_STATUS))) >= HTTPStatus.INTERNAL_SERVER_ERROR
        )
    return code_class == "5"


def _abandoned(counts: Mapping[str, int]) -> int:
    return abandoned(
        attempted=sum(counts[counter] for counter in ATTEMPTED),
        retried=counts["rq_retry"],
        answered=counts["rq_xx"],
        active=counts["rq_active"],
    )


def _histogram(cumulative: list[_Buckets]) -> Histogram | None:
    if not cumulative:
        return None
    edges = sorted(cumulative[0])
    upto = [sum(buckets.get(edge, 0) for buckets in cumulative) for edge in edges]
    return Histogram(edges=tuple(edges[:-1]), counts=tuple(b - a for a, b in zip([0, *upto[:-1]], upto, strict=True)))
