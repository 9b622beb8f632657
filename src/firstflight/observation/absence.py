"""Why nothing was observed, in words that lead to the cause."""

from datetime import datetime

from firstflight.domain.samples import Window

REFUSED = "refused_rate"
"""Answers 4xx among all: the client's mistake by what the model says, so no failure, and no success either."""
REQUEST_METRICS = ("error_rate", REFUSED, "latency", "latency_mean")


def of_requests(route: str, name: str, window: Window, on_route: int, chosen: int = 0) -> str:
    """Return why `name` has no requests, of which the route had `on_route`; `chosen` more were picked by clients."""
    apart = f" ({chosen} more chose their model themselves, which is no evidence)" if chosen else ""
    if on_route:
        return f"none of the {on_route} requests to {route} {_when(window)}{apart} went to {name}; has it weight?"
    if chosen:
        return f"{route} had no requests {_when(window)}{apart}"
    return f"{route} had no requests {_when(window)}; is anybody asking it?"


def of_lost_lines(window: Window, found: datetime) -> str:
    """Return why records that are there say nothing: others are not."""
    return (
        f"lines of the log of requests {_when(window)} were gone before they were read, found at {found:%H:%M:%S}; "
        "does anything else rotate, pack or delete it?"
    )


def of_calls(name: str, window: Window, calls: int) -> str:
    """Return why nothing may be said of a model that was asked another way as well."""
    return (
        f"{name} had about {calls} gRPC calls {_when(window)}, whose failures the gateway counts as answers;"
        " ask it by REST while a rollout judges it"
    )


def of_answers(name: str, window: Window, refused: int) -> str:
    """Return why nothing is known of a model that was asked, when it refused every one of the requests."""
    return f"{name} refused all {refused} requests {_when(window)} as mistakes of the clients (4xx)"


def of_latencies(name: str, window: Window, requests: int) -> str:
    """Return why there is no latency although there were `requests`."""
    return f"no client waited for the end of any of the {requests} requests to {name} {_when(window)}"


def of_scrapes(window: Window) -> str:
    """Return why nothing at all is known of the requests."""
    return f"no process of the gateway was scraped {_when(window)}; is it among Prometheus' targets, and up?"


def of_squares(name: str) -> str:
    """Return why there is a histogram of latencies, but no mean with its spread."""
    return f"the gateway keeps no squares of the latencies of {name}, so their spread is unknown; judge `latency`"


def of_buckets(name: str, window: Window) -> str:
    """Return why a histogram was read that cannot be used."""
    return f"the latency buckets of {name} contradict each other {_when(window)}; do all gateways run one version?"


def of_outcomes(name: str, window: Window, answers: int, waiting: int, *, judged: bool) -> str:
    """Return why `name` has no outcomes, when it gave `answers` in the window, `waiting` of them without a truth.

    `judged` says that truths came, but of no block that closed, or of answers that are not asked about.
    """
    if judged:
        return f"truths about answers of {name} came {_when(window)}, but no block of them that counts here was closed"
    if answers == 0:
        return f"{name} has no recorded answer {_when(window)}, and no truth arrived about an earlier one"
    if waiting:
        return f"no truth yet about {waiting} of the {answers} answers of {name} {_when(window)}; are outcomes posted?"
    return f"{name} gave {answers} answers {_when(window)}, all about units that were counted before"


def of_pairs(control: str, name: str, window: Window) -> str:
    """Return why there is no pair."""
    return f"no block of which both {control} and {name} answered units was closed {_when(window)}"


def _when(window: Window) -> str:
    return f"from {window.since:%H:%M:%S} to {window.until:%H:%M:%S} {window.until.tzname() or ''}".strip()
