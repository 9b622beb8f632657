"""The load test as a person runs it, against a gateway that answers and one that fails."""

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import ROOT


class Gateway(http.server.BaseHTTPRequestHandler):
    """Answers every tenth request of the model `shaky` with 500, everything else with 200."""

    protocol_version = "HTTP/1.1"
    asked = 0

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        Gateway.asked += 1
        model = self.headers["seldon-model"].removesuffix(".experiment")
        self.send_response(500 if model == "shaky" and Gateway.asked % 10 == 0 else 200)
        self.send_header("x-seldon-route", f":{model}-v1_1:")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The gateway's address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def load(*options: str) -> tuple[int, str]:
    """Run the script and return its exit code and what it printed."""
    command = [
        sys.executable,
        str(ROOT / "tests" / "load_test_inference.py"),
        "--seconds",
        "2",
        "--rate",
        "40",
        *options,
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    return done.returncode, done.stdout


def test_a_load_is_reported_as_json(url: str) -> None:
    """Every number is there for a machine: quantiles, failures, who answered, and the verdict its exit code tells."""
    code, printed = load("--gateway", url, "--model", "steady", "--json")
    found: dict[str, Any] = json.loads(printed)
    assert {0: "passed", 1: "failed", 2: "undecided"}[code] == found["verdict"], found["why"]
    assert {"200": found["requests"]} == found["statuses"]
    assert {"steady-v1": found["requests"]} == found["models"]
    assert 40 < found["requests"] < 130
    assert 0 < found["p50_ms"] <= found["p95_ms"] <= found["p99_ms"]


def test_failures_fail_the_test(url: str) -> None:
    """One request in ten fails: exit code 1, and the lines say how many and how fast the others were."""
    code, printed = load("--gateway", url, "--model", "shaky")
    assert 1 == code
    numbers, verdict = printed.splitlines()
    assert all(name in numbers for name in ("requests at", "failed", "p50", "p95", "p99"))
    assert verdict.startswith("failed: ")
    assert "at most 0.1 % may" in verdict
