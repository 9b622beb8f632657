"""Envoy's configuration, built and read back without Envoy."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstflight.domain.traffic import TrafficSplit
from firstflight.serving.local.envoy.bootstrap import bootstrap
from firstflight.serving.local.envoy.clusters import clusters, concerns
from firstflight.serving.local.envoy.names import Profile
from firstflight.serving.local.envoy.routes import routes, splits_of
from firstflight.serving.local.servers import ServerPorts
from firstflight.settings import Ports

MIRROR = Path("/home/someone/mirror.sock")
NAMES = ["a-v1", "b-v2", "c-v3", "d-v4"]
SERVERS = {
    name: ("direction", ServerPorts(*range(4820 + 3 * number, 4823 + 3 * number))) for number, name in enumerate(NAMES)
}
THREE_WAYS = TrafficSplit(stable="a-v1", weights={"a-v1": 50, "b-v2": 30, "c-v3": 20}, shadow="d-v4")


@st.composite
def splits(draw: st.DrawFn) -> TrafficSplit:
    """Any split over up to four names."""
    names = draw(st.permutations(NAMES))
    count = draw(st.integers(1, 4))
    cuts = sorted(draw(st.lists(st.integers(0, 100), min_size=count - 1, max_size=count - 1)))
    weights = dict(zip(names, [b - a for a, b in zip([0, *cuts], [*cuts, 100], strict=True)], strict=False))
    shadow = draw(st.sampled_from([None, *names[count:]]))
    return TrafficSplit(stable=draw(st.sampled_from(sorted(weights))), weights=weights, shadow=shadow)


def weighted(configuration: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the clusters of the two routes that divide, HTTP's and gRPC's."""
    divided = [r["route"] for r in configuration["virtual_hosts"][0]["routes"] if "weighted_clusters" in r["route"]]
    assert 2 == len(divided)
    return [choice for route in divided for choice in route["weighted_clusters"]["clusters"]]


@given(st.dictionaries(st.sampled_from(["direction", "volatility"]), splits()), st.sampled_from(["safe", "seldon"]))
def test_what_is_written_can_be_read_back(wanted: dict[str, TrafficSplit], profile: Profile) -> None:
    """The files are the memory of the gateway, so they must hold all of every split."""
    main, mirror = (routes(wanted, listener, profile, 1.0) for listener in ("main", "mirror"))
    assert wanted == splits_of([json.loads(json.dumps(main))], [json.loads(json.dumps(mirror))])


@given(splits(), st.sampled_from(["safe", "seldon"]))
def test_every_cluster_a_route_names_exists(split: TrafficSplit, profile: Profile) -> None:
    """Envoy refuses routes to clusters it does not know."""
    known = {cluster["name"] for cluster in clusters([split], SERVERS, profile, MIRROR)}
    for listener in ("main", "mirror"):
        for route in routes({"direction": split}, listener, profile, 1.0)["virtual_hosts"][0]["routes"]:
            action = route["route"]
            named = [choice["name"] for choice in action.get("weighted_clusters", {"clusters": []})["clusters"]]
            named += [policy["cluster"] for policy in action.get("request_mirror_policies", [])]
            assert {*named, *([action["cluster"]] if "cluster" in action else [])} <= known


@pytest.mark.parametrize("profile", ["safe", "seldon"])
def test_candidates_come_first(profile: Profile) -> None:
    """Then a growing candidate only gains units: nobody who has it goes back to stable."""
    chosen = weighted(routes({"direction": THREE_WAYS}, "main", profile, 1.0))
    assert [30, 20, 50] * 2 == [choice["weight"] for choice in chosen]


def test_only_candidates_are_guarded() -> None:
    """Stable is the last resort: it is never ejected, whatever its health check says."""
    found = {cluster["name"]: cluster for cluster in clusters([THREE_WAYS], SERVERS, "safe", MIRROR)}
    guarded = {name for name, cluster in found.items() if "outlier_detection" in cluster}
    ends = ("", "_chosen", "_grpc", "_grpc_chosen")
    assert {f"{name}_guarded{end}" for name in ("b-v2", "c-v3") for end in ends} == guarded
    assert not {"health_checks", "outlier_detection"} & (found["a-v1_http"].keys() | found["a-v1_grpc"].keys())
    targets = [choice["name"] for choice in weighted(routes({"direction": THREE_WAYS}, "main", "safe", 1.0))]
    by_http, by_grpc = (
        ["b-v2_or_a-v1", "c-v3_or_a-v1", "a-v1_http"],
        ["b-v2_or_a-v1_grpc", "c-v3_or_a-v1_grpc", "a-v1_grpc"],
    )
    assert [*by_http, *by_grpc] == targets


def test_health_is_asked_for_by_rest() -> None:
    """Whatever requests come by: MLServer answers no health checks of gRPC."""
    found = {cluster["name"]: cluster for cluster in clusters([THREE_WAYS], SERVERS, "safe", MIRROR)}
    for name, port in (("b-v2_guarded", 4823), ("b-v2_guarded_grpc", 4824)):
        [endpoint] = found[name]["load_assignment"]["endpoints"][0]["lb_endpoints"]
        assert port == endpoint["endpoint"]["address"]["socket_address"]["port_value"]
        assert 4823 == endpoint["endpoint"]["health_check_config"]["port_value"]


def test_a_try_and_its_second_have_the_time_that_is_declared() -> None:
    """By REST and gRPC alike, and clients wait for both; as in Seldon there is no end."""
    for profile, times in (("safe", {("2.5s", "6s")}), ("seldon", {(None, "0s")})):
        entries = routes({"direction": THREE_WAYS}, "main", profile, 2.5)["virtual_hosts"][0]["routes"]
        asked = [entry["route"] for entry in entries if "retry_policy" in entry["route"]]
        assert times == {(each["retry_policy"].get("per_try_timeout"), each["timeout"]) for each in asked}


def test_seldon_has_no_second_server_to_try() -> None:
    """In a cluster a dying candidate's requests fail, after the same five tries."""
    configuration = routes({"direction": THREE_WAYS}, "main", "seldon", 1.0)
    alone = [f"{name}_{protocol}" for protocol in ("http", "grpc") for name in ("b-v2", "c-v3", "a-v1")]
    assert alone == [choice["name"] for choice in weighted(configuration)]
    entries = configuration["virtual_hosts"][0]["routes"]
    policies = [entry["route"]["retry_policy"] for entry in entries if not entry["name"].endswith("_told")]
    assert {5} == {policy["num_retries"] for policy in policies}
    assert not any(c.get("outlier_detection") for c in clusters([THREE_WAYS], SERVERS, "seldon", MIRROR))


def test_the_clusters_of_a_server_are_known_by_its_name() -> None:
    """Its own, and those that name it as candidate or as stable; nobody else's, nor our own listener."""
    made = clusters([THREE_WAYS], SERVERS, "safe", MIRROR)
    found = {cluster["name"] for cluster in made if concerns(cluster, "b-v2")}
    of_the_split = {"b-v2_http", "b-v2_guarded", "b-v2_or_a-v1"}
    of_the_split |= {"b-v2_grpc", "b-v2_guarded_grpc", "b-v2_or_a-v1_grpc"}
    assert of_the_split | {f"{name}_chosen" for name in of_the_split} == found
    assert not any(concerns(cluster, "mirror") for cluster in made)


def test_nobody_sticks_to_a_model_without_weight() -> None:
    """A client that sends back the name of a model that was rolled back gets whom the weights say."""
    configuration = routes({"direction": TrafficSplit.canary("a-v1", "b-v2", 0)}, "main", "safe", 1.0)
    sticky = [
        r["route"]["cluster"] for r in configuration["virtual_hosts"][0]["routes"] if r["name"].endswith("chosen")
    ]
    assert ["a-v1_http_chosen", "a-v1_grpc_chosen"] == sticky


def test_everything_listens_on_loopback_alone() -> None:
    """Nothing of the bootstrap is open to the network or to a page, and no port can be shared with a stale process."""
    wanted = bootstrap(Path("/home/someone"), Ports())
    listeners = wanted["static_resources"]["listeners"]
    addresses = [wanted["admin"]["address"], *(listener["address"] for listener in listeners)]
    assert [
        {"pipe": {"path": "/home/someone/admin.sock", "mode": 0o600}},
        {"socket_address": {"address": "127.0.0.1", "port_value": 4800}},
        {"pipe": {"path": "/home/someone/mirror.sock", "mode": 0o600}},
    ] == addresses
    assert [False, False] == [listener["enable_reuse_port"] for listener in listeners]


@given(splits(), st.sampled_from(["safe", "seldon"]))
def test_nothing_that_was_let_in_is_refused_for_want_of_room(split: TrafficSplit, profile: Profile) -> None:
    """Each limit of a cluster is the number of requests that are let in; but Seldon's own retries stay Seldon's."""
    started = bootstrap(Path("/home/someone"), Ports())
    [admitted] = started["overload_manager"]["resource_monitors"]
    connections = admitted["typed_config"]["max_active_downstream_connections"]
    [manager] = started["static_resources"]["listeners"][0]["filter_chains"][0]["filters"]
    most = connections * manager["typed_config"]["http2_protocol_options"]["max_concurrent_streams"]
    for cluster in clusters([split], SERVERS, profile, MIRROR):
        [limits] = cluster["circuit_breakers"]["thresholds"]
        if profile == "safe" or cluster["name"].startswith("mirror") or cluster["name"].endswith("_told"):
            kinds = ("max_pending_requests", "max_requests", "max_retries")
            assert {"max_connections": connections, **dict.fromkeys(kinds, most)} == limits
        else:
            assert {"max_retries": 5} == limits


@given(splits(), st.sampled_from(["safe", "seldon"]))
def test_only_a_prediction_reaches_what_is_counted(split: TrafficSplit, profile: Profile) -> None:
    """Questions about a model go to a cluster of their own, and choosing a model is told from being given one."""
    entries = routes({"direction": split}, "main", profile, 1.0)["virtual_hosts"][0]["routes"]
    for entry in entries:
        methods = [one["string_match"]["exact"] for one in entry["match"]["headers"] if one["name"] == ":method"]
        by_http = (methods, entry["match"].get("path")) == (["POST"], "/v2/models/direction/infer")
        by_grpc = entry["match"].get("path") == "/inference.GRPCInferenceService/ModelInfer"
        assert by_grpc <= ("grpc" in entry["match"])
        predicts = by_http or by_grpc
        assert predicts != entry["route"].get("cluster", "").endswith("_told")
        named = [one["name"] for one in entry["match"]["headers"]]
        chosen = "x-seldon-route" in named
        assert chosen == entry["name"].endswith("/chosen") == entry["route"].get("cluster", "").endswith("_chosen")
        assert ("request_mirror_policies" in entry["route"]) == bool(predicts and not chosen and split.shadow)


@given(splits(), st.sampled_from(["safe", "seldon"]))
def test_what_a_client_chose_meets_nothing_of_the_split(split: TrafficSplit, profile: Profile) -> None:
    """Neither counters, nor who is left alone for failing, nor whoever steps in: all on its way is its own."""
    made = {cluster["name"]: cluster for cluster in clusters([split], SERVERS, profile, MIRROR)}
    for entry in routes({"direction": split}, "main", profile, 1.0)["virtual_hosts"][0]["routes"]:
        divided = entry["route"].get("weighted_clusters", {"clusters": []})["clusters"]
        for target in [one["name"] for one in divided] or [entry["route"]["cluster"]]:
            behind = made[target].get("cluster_type", {}).get("typed_config", {}).get("clusters", [])
            ways = {target, *(one["name"] for one in behind)}
            assert ways <= made.keys()
            assert {entry["name"].endswith("/chosen")} == {way.endswith("_chosen") for way in ways}
