"""Whether Prometheus scrapes what figures come from."""

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from firstflight.domain.errors import MetricsUnavailableError
from firstflight.domain.findings import Status
from firstflight.observation import prometheus_api
from firstflight.observation.targets import Target, read_targets, target_findings, unreachable

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
UP = Target(job="mesh", namespace="models", instance="10.0.0.7:9003", health="up", error="", scraped=NOW)
DOWN = UP.model_copy(update={"health": "down", "error": "context deadline exceeded"})


def test_targets_of_the_namespace() -> None:
    """Up, down, stale, and none in this namespace."""
    old = UP.model_copy(update={"scraped": NOW - timedelta(minutes=5)})
    for targets, kind, status in (
        ([UP], "prometheus", Status.PASS),
        ([UP, DOWN], "prometheus-target-down", Status.FAIL),
        ([old], "prometheus-stale", Status.WARN),
        ([UP.model_copy(update={"namespace": "other"})], "prometheus-no-target", Status.FAIL),
    ):
        [found] = target_findings(targets, "models", NOW)
        assert (kind, status) == (found.id, found.status)


def test_each_cause_has_its_own_fix() -> None:
    """Nobody listens, nobody gets through, and a Prometheus that has just begun."""
    refused = DOWN.model_copy(update={"error": "dial tcp 10.0.0.7:9003: connect: connection refused"})
    fixes = [next(iter(target_findings(found, "models", NOW))).fix for found in ([refused], [DOWN], [])]
    assert ["nobody listens" in fixes[0], "network policy" in fixes[1], "just started" in fixes[2]] == [True] * 3


def test_reading_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Prometheus answers becomes targets; another answer and none are an outage, told in one line."""
    monkeypatch.setattr(prometheus_api, "_PAUSES", (0.0, 0.0))
    body: Any = {
        "status": "success",
        "data": {
            "activeTargets": [
                {
                    "labels": {"job": "mesh", "namespace": "models", "instance": "10.0.0.7:9003"},
                    "health": "up",
                    "lastError": "",
                    "lastScrape": "2026-03-02T12:00:00Z",
                },
                {"labels": {"job": "new"}, "health": "unknown", "lastScrape": "0001-01-01T00:00:00Z"},
            ]
        },
    }

    class Requests(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Requests) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            first, second = read_targets(url)
            body = {"status": "success", "data": None}
            with pytest.raises(MetricsUnavailableError, match="something else than targets gives"):
                read_targets(url)
        finally:
            server.shutdown()
            thread.join()
    assert (UP, None) == (first, second.scraped)
    with pytest.raises(MetricsUnavailableError, match="gave no answer") as outage:
        read_targets(url)
    assert "prometheus-unreachable" == unreachable(outage.value).id
