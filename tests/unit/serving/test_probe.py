"""One prediction, asked of a server over real HTTP."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from firstflight.domain.findings import Status
from firstflight.serving.probe import probe

METADATA = {"name": "fraud", "inputs": [{"name": "history", "datatype": "FP64", "shape": [-1, 2, 3]}]}
ANSWER = {"outputs": [{"name": "p", "shape": [1], "datatype": "FP64", "data": [0.5]}]}


@contextmanager
def gateway(metadata: tuple[int, Any], answer: tuple[int, Any]) -> Iterator[tuple[str, list[Any]]]:
    """Serve one answer to GET and one to POST; what was posted is kept."""
    posted: list[Any] = []

    class Requests(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(*metadata)

        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self._say(*answer)

        def _say(self, code: int, body: Any) -> None:
            self.send_response(code)
            self.send_header("x-seldon-route", ":fraud-v1_1:")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Requests) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", posted
        finally:
            server.shutdown()
            thread.join()


def test_an_answer() -> None:
    """Inputs are made of what the model says of itself; who answered is told."""
    with gateway((200, METADATA), (200, ANSWER)) as (url, posted):
        found = probe(url, "fraud")
    assert Status.PASS is found.status
    assert found.found.startswith("answered by fraud-v1 in ")
    [tensor] = posted[0]["inputs"]
    assert ([1, 2, 3], [1.0] * 6) == (tensor["shape"], tensor["data"])


@pytest.mark.parametrize(
    ("metadata", "answer", "kind", "status"),
    [
        ((404, {}), (200, ANSWER), "inference", Status.FAIL),
        ((200, METADATA), (503, {}), "inference", Status.FAIL),
        ((200, {"name": "fraud"}), (200, ANSWER), "inference", Status.WARN),
        ((200, {"inputs": [{"name": "t", "datatype": "BYTES", "shape": [1]}]}), (200, {}), "inference", Status.WARN),
    ],
)
def test_other_answers(metadata: tuple[int, Any], answer: tuple[int, Any], kind: str, status: Status) -> None:
    """No route, a failing server and a model that does not say what it takes."""
    with gateway(metadata, answer) as (url, _):
        found = probe(url, "fraud")
    assert (kind, status) == (found.id, found.status)


def test_no_gateway() -> None:
    """Nobody listens."""
    with gateway((200, METADATA), (200, ANSWER)) as (url, _):
        pass
    assert "gateway-unreachable" == probe(url, "fraud").id
