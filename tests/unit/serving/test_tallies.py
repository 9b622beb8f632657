"""From what Envoy says of its clusters to what each served model got."""

from firstflight.serving.backend import RouterTally
from firstflight.serving.tallies import tallies

TEXT = """
envoy_cluster_upstream_rq_total{envoy_cluster_name="b-v2_1_http"} 409
envoy_cluster_upstream_rq_retry{envoy_cluster_name="b-v2_1_http"} 90
envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="b-v2_1_http"} 280
envoy_cluster_upstream_rq_xx{envoy_response_code_class="4",envoy_cluster_name="b-v2_1_http"} 2
envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="b-v2_1_http"} 18
envoy_cluster_upstream_rq_active{envoy_cluster_name="b-v2_1_http"} 0
envoy_cluster_upstream_rq_total{envoy_cluster_name="b-v2_told"} 7
envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="b-v2_told"} 7
"""


def test_a_client_that_left_is_what_is_missing() -> None:
    """409 attempts, 90 of them repeated, 300 answered: 19 were left, and no counter says so by itself."""
    found = tallies(TEXT, ["b-v2"], with_abandoned=True)["b-v2"]
    assert (409, 18 + 90 + 19) == (found.requests, found.failures)
    assert 18 + 90 == tallies(TEXT, ["b-v2"])["b-v2"].failures


def test_a_request_on_its_way_is_no_failure() -> None:
    """Nor is less than nothing ever missing."""
    waiting = TEXT.replace(
        'rq_active{envoy_cluster_name="b-v2_1_http"} 0', 'rq_active{envoy_cluster_name="b-v2_1_http"} 20'
    )
    assert 18 + 90 == tallies(waiting, ["b-v2"], with_abandoned=True)["b-v2"].failures


def test_what_found_nobody_is_an_attempt_all_the_same() -> None:
    """A dead server's requests are repeated and answered for, but never among those that were sent."""
    dead = (
        TEXT.replace("} 409", "} 319")
        + 'envoy_cluster_upstream_rq_pending_failure_eject{envoy_cluster_name="b-v2_1_http"} 90\n'
    )
    assert 18 + 90 + 19 == tallies(dead, ["b-v2"], with_abandoned=True)["b-v2"].failures


def test_grpc_is_no_health_where_its_failures_are_not_counted() -> None:
    """To Seldon's mesh they are answers of code 200: none of its counts is one of a model's requests."""
    calls = 'envoy_cluster_upstream_rq_total{envoy_cluster_name="b-v2_1_grpc"} 508\n'
    calls += 'envoy_cluster_upstream_rq_xx{envoy_response_code_class="2",envoy_cluster_name="b-v2_1_grpc"} 508\n'
    assert {} == tallies(calls, ["b-v2"])
    assert tallies(TEXT, ["b-v2"]) == tallies(TEXT + calls, ["b-v2"])


def test_a_call_fails_by_its_own_status() -> None:
    """Not by its code: INTERNAL and UNAVAILABLE are the model's, what the client asked wrong is not, nor OK."""
    names = {"b-v2_guarded_grpc": "rq_total", "b-v2_or_a-v1_grpc": "rq_retry", "b-v2_or_a-v1_grpc_chosen": "rq_total"}
    counted = {name: f'envoy_cluster_upstream_{what}{{envoy_cluster_name="{name}"}} 20' for name, what in names.items()}
    said = [
        f'envoy_cluster_grpc_{status}{{envoy_cluster_name="{name}"}} {count}'
        for name in ("b-v2_or_a-v1_grpc", "b-v2_or_a-v1_grpc_chosen")
        for status, count in ((0, 100), (13, 7), (14, 2), (9, 5), (3, 1))
    ]
    sent = 'envoy_cluster_upstream_rq_xx{envoy_response_code_class="5",envoy_cluster_name="b-v2_or_a-v1_grpc"} 2'
    found = tallies("\n".join((*counted.values(), *said, sent)), ["b-v2"])["b-v2"]
    assert (20, 20 + 7 + 2, 20) == (found.requests, found.failures, found.chosen)


def test_what_clients_chose_reaches_the_model_and_is_no_health() -> None:
    """Neither its failures nor its times are the model's by the guard; that it was asked at all is not forgotten."""
    chosen = TEXT.replace("b-v2_1_http", "b-v2_or_a-v1_chosen")
    found = tallies(chosen, ["b-v2"], with_abandoned=True)["b-v2"]
    assert RouterTally(chosen=409) == found
    assert 409 == found.reached
    both = tallies(TEXT + chosen, ["b-v2"])["b-v2"]
    assert tallies(TEXT, ["b-v2"])["b-v2"] == both.model_copy(update={"chosen": 0})
