"""Routes: splits as Envoy reads them, and back."""

from collections.abc import Mapping

from firstflight.domain.route_header import CHOSEN, route_value, served_name
from firstflight.domain.traffic import TrafficSplit
from firstflight.serving.local.envoy.names import (
    HOST,
    LISTENERS,
    MIRRORS,
    PREFIX,
    SERVICE,
    TYPES,
    Json,
    Listener,
    Profile,
    Protocol,
    tail,
    target,
)
from firstflight.serving.route_header import ROUTE_HEADER
from firstflight.serving.tallies import BY_CLIENT, TOLD

UNIT_HEADER = "x-unit-id"
_MODEL_HEADER = "seldon-model"
_NOTES = "firstflight"

_RETRY: dict[Profile, Json] = {
    "safe": {
        # Not on a model's own 500: those are the candidate's errors, to be seen and judged.
        "retry_on": "connect-failure,refused-stream,reset,gateway-error",
        "num_retries": 1,
        "retry_back_off": {"base_interval": "0.005s", "max_interval": "0.02s"},
    },
    "seldon": {
        "retry_on": "5xx,connect-failure",
        "num_retries": 5,
        "retry_back_off": {"base_interval": "0.5s"},
    },
}
_BETWEEN_TRIES = 1.0
"""Seconds for all that is no model's: to wait before the second try, and to hear of a connection that fails."""


def routes(splits: Mapping[str, TrafficSplit], listener: Listener, profile: Profile, answer_seconds: float) -> Json:
    """Return the route configuration of one listener; in profile `safe` a model has `answer_seconds` for an answer."""
    per_route = _main_routes if listener == "main" else _mirror_routes
    return {
        "@type": f"{TYPES}config.route.v3.RouteConfiguration",
        "name": LISTENERS[listener],
        "validate_clusters": True,  # else an unknown cluster is accepted and fails its share of requests
        "virtual_hosts": [
            {
                "name": "seldon",
                # A page whose own name was made to mean this machine asks for that name. Copies have one of Envoy's.
                "domains": [HOST, "localhost", "[::1]"] if listener == "main" else ["*"],
                "response_headers_to_add": [_header("x-served-by", "%UPSTREAM_METADATA(envoy.lb:served)%")],
                "routes": [
                    entry
                    for route, split in splits.items()
                    for protocol in MIRRORS
                    for entry in per_route(route, split, profile, protocol, answer_seconds)
                ],
            }
        ],
    }


def splits_of(main: list[Json], mirror: list[Json]) -> dict[str, TrafficSplit]:
    """Return the splits that the listeners' route configurations carry out, by route: the inverse of `routes`.

    A shadow counts only when requests are copied and the second listener knows whom the copies go to.
    """
    shadows = {
        entry["metadata"]["filter_metadata"][_NOTES]["route"]: entry["route"]["cluster"].partition("_")[0]
        for entry in _entries(mirror)
    }
    found = {}
    for entry in _entries(main):
        if "weighted_clusters" not in entry["route"]:
            continue
        notes = entry["metadata"]["filter_metadata"][_NOTES]
        found[notes["route"]] = TrafficSplit(
            stable=notes["stable"],
            weights={_chosen(choice): choice["weight"] for choice in entry["route"]["weighted_clusters"]["clusters"]},
            shadow=shadows.get(notes["route"]) if entry["route"].get("request_mirror_policies") else None,
        )
    return found


def _main_routes(
    route: str, split: TrafficSplit, profile: Profile, protocol: Protocol, answer_seconds: float
) -> list[Json]:
    # Candidates first: while a candidate's weight grows its share of the hash's range only grows, nobody changes back.
    names = [*(name for name in split.weights if name != split.stable), split.stable]
    choices = [
        {
            "name": target(split, name, profile, protocol),
            "weight": split.weights[name],
            "response_headers_to_add": [_header(ROUTE_HEADER, route_value(name))],
        }
        for name in names
    ]
    action = {
        "host_rewrite_literal": HOST,
        "timeout": _timeout(profile, answer_seconds),
        "hash_policy": [{"header": {"header_name": UNIT_HEADER}, "terminal": True}],
        "retry_policy": _retry(profile, protocol, answer_seconds),
    }
    copied = {"request_mirror_policies": [_copy_by(protocol)]} if split.shadow else {}
    # Seldon's own routes answer 404 to a name that no longer has a route, and keep those who send back a name at a
    # model whose weight is 0. Here both get whom the weights say. Nor are they copied, there as here: a shadow is held
    # against what the split gave the stable model.
    sticky = [
        {
            "name": f"{route}{CHOSEN}",
            "match": _predicts(
                route, protocol, {"name": ROUTE_HEADER, "string_match": {"contains": route_value(choice_name)}}
            ),
            "route": {"cluster": f"{choice['name']}{BY_CLIENT}", **action},
            "response_headers_to_add": choice["response_headers_to_add"],
        }
        for choice_name, choice in zip(names, choices, strict=True)
        if choice["weight"]
    ]
    return [
        *sticky,
        {
            "name": route,
            "match": _predicts(route, protocol),
            "route": {"weighted_clusters": {"use_hash_policy": True, "clusters": choices}, **action, **copied},
            "metadata": {"filter_metadata": {_NOTES: {"route": route, "stable": split.stable}}},
        },
        *(
            {
                "name": f"{route}{TOLD}",
                "match": match,
                "route": {
                    "cluster": f"{split.stable}{tail(protocol)}{TOLD}",
                    "host_rewrite_literal": HOST,
                    "timeout": _timeout(profile, answer_seconds),
                },
            }
            for match in _asks_about(route, protocol)
        ),
    ]


def _mirror_routes(
    route: str, split: TrafficSplit, profile: Profile, protocol: Protocol, answer_seconds: float
) -> list[Json]:
    if not split.shadow:
        return []
    return [
        {
            "name": route,
            "match": _predicts(route, protocol),
            "route": {
                "cluster": f"{split.shadow}_{protocol}",
                "host_rewrite_literal": HOST,
                "timeout": _timeout(profile, answer_seconds),
            },
            "metadata": {"filter_metadata": {_NOTES: {"route": route}}},
        }
    ]


def _copy_by(protocol: Protocol) -> Json:
    every = {"numerator": 100, "denominator": "HUNDRED"}
    return {"cluster": MIRRORS[protocol], "runtime_fraction": {"default_value": every}}


def _timeout(profile: Profile, answer_seconds: float) -> str:
    """Return how long clients may wait: Seldon sets no end."""
    return "0s" if profile == "seldon" else f"{2 * answer_seconds + _BETWEEN_TRIES:g}s"


def _retry(profile: Profile, protocol: Protocol, answer_seconds: float) -> Json:
    policy = _RETRY[profile]
    if profile == "seldon":
        return policy
    # What a call says where HTTP has a gateway error.
    on = policy["retry_on"] + (",unavailable" if protocol == "grpc" else "")
    return {**policy, "retry_on": on, "per_try_timeout": f"{answer_seconds:g}s"}


def _predicts(route: str, protocol: Protocol, *more: Json) -> Json:
    """Match the one kind of request that is evidence of a model."""
    if protocol == "grpc":
        return {"path": f"{SERVICE}ModelInfer", "grpc": {}, "headers": [*_naming(route), *more]}
    return {"path": f"{PREFIX}{route}/infer", "headers": [_method("POST"), *_meaning(route), *more]}


def _asks_about(route: str, protocol: Protocol) -> list[Json]:
    """Match questions about the model, and about its server, which is the first route's where none is named."""
    if protocol == "grpc":
        about, server = (rf"{SERVICE}{what}" for what in ("Model(Ready|Metadata)", "Server(Live|Ready|Metadata)"))
        return [
            {**_regex(about), "grpc": {}, "headers": _naming(route)},
            {**_regex(server), "grpc": {}, "headers": _meaning(route)},
        ]
    about = rf"{PREFIX}{route}(/ready)?|/v2(/health/(live|ready))?"
    return [{**_regex(about), "headers": [_method("GET"), *_meaning(route)]}]


def _naming(route: str) -> list[Json]:
    """Match who names the route: as what a split is called in Seldon, or a model."""
    return [{"name": _MODEL_HEADER, "string_match": _regex(rf"{route}(\.experiment)?")}]


def _meaning(route: str) -> list[Json]:
    """Match also who names none in the header, as Seldon does where the path says it; but no page of a browser.

    A page may ask for another origin's predictions as long as it need not send a header of its own.
    """
    named = {"string_match": _regex(rf"({route}(\.experiment)?)?"), "treat_missing_header_as_empty": True}
    return [{"name": _MODEL_HEADER, **named}, {"name": "origin", "present_match": False}]


def _method(method: str) -> Json:
    return {"name": ":method", "string_match": {"exact": method}}


def _regex(regex: str) -> Json:
    return {"safe_regex": {"regex": regex}}


def _entries(configurations: list[Json]) -> list[Json]:
    hosts = [host for configuration in configurations for host in configuration["virtual_hosts"]]
    return [entry for host in hosts for entry in host.get("routes", [])]


def _chosen(choice: Json) -> str:
    value: str = choice["response_headers_to_add"][0]["header"]["value"]
    return served_name(value)


def _header(name: str, value: str) -> Json:
    return {"header": {"key": name, "value": value}}
