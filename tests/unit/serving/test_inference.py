"""The client of the Open Inference Protocol, against a real HTTP server on loopback."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from firstflight.domain.errors import BackendUnavailableError, ServingError
from firstflight.serving.inference import body, headers, outputs, predict
from tests.conftest import free_ports

ANSWER = {"outputs": [{"name": "probability_up", "datatype": "FP64", "shape": [2], "data": [0.25, 0.5]}]}


@dataclass
class Server:
    """Answers every request with `code`, and keeps what it was asked."""

    url: str = ""
    code: int = 200
    asked: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on a free port."""
    seen = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["content-length"]))
            seen.asked.append((self.path, dict(self.headers.items()), json.loads(content)))
            self.send_response(seen.code)
            self.send_header("x-seldon-route", ":baseline-predictor-v3_1:")
            self.end_headers()
            self.wfile.write(json.dumps(ANSWER).encode())

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        seen.url = f"http://127.0.0.1:{http.server_port}"
        yield seen
        http.shutdown()
        thread.join()


def test_tensors_travel_with_name_shape_and_type() -> None:
    """Each numpy type has the protocol's name; data is flat, rows first."""
    inputs = {"history": np.array([[1.5, 2.0]]), "small": np.array([1], dtype=np.float32), "count": np.array([7])}
    assert json.loads(body(inputs, "r-1")) == {
        "id": "r-1",
        "inputs": [
            {"name": "history", "shape": [1, 2], "datatype": "FP64", "data": [1.5, 2.0]},
            {"name": "small", "shape": [1], "datatype": "FP32", "data": [1.0]},
            {"name": "count", "shape": [1], "datatype": "INT64", "data": [7]},
        ],
    }
    assert "id" not in json.loads(body(inputs))


def test_an_answer_becomes_tensors() -> None:
    """Shape and type are the answer's."""
    (tensor,) = outputs(json.dumps(ANSWER).encode()).values()
    assert (np.dtype("float64"), [0.25, 0.5]) == (tensor.dtype, tensor.tolist())


def test_text_travels_as_bytes_do() -> None:
    """Labels, both ways."""
    (sent,) = json.loads(body({"plan": np.array(["a", "b"])}))["inputs"]
    assert {"name": "plan", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]} == sent
    (found,) = outputs(json.dumps({"outputs": [sent]}).encode()).values()
    assert ["a", "b"] == found.tolist()


def test_a_question_names_route_unit_and_request(server: Server) -> None:
    """The same request id in header and body, so that logs and answers join."""
    answered = predict(server.url, "direction", {"history": np.zeros((1, 2))}, unit="AAPL@2019-01-02")
    ((path, sent, content),) = server.asked
    assert "/v2/models/direction/infer" == path
    assert headers("direction", answered.request_id, "AAPL@2019-01-02").items() <= sent.items()
    assert answered.request_id == content["id"]
    assert "baseline-predictor-v3" == answered.assigned
    assert answered.seconds > 0


def test_a_refusal_is_told_with_its_code_and_text(server: Server) -> None:
    """The reader sees what the server said."""
    server.code = 400
    with pytest.raises(ServingError, match=r"400 to request r-9.*probability_up"):
        predict(server.url, "direction", {"history": np.zeros((1, 2))}, request_id="r-9")


def test_no_answer_is_an_outage() -> None:
    """Nobody at the port: the same call may succeed later."""
    with pytest.raises(BackendUnavailableError, match="r-9"):
        predict(f"http://127.0.0.1:{free_ports().gateway}", "direction", {}, request_id="r-9")
