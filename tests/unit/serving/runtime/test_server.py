"""A real model server and whatever a client may send it, without a gateway before it."""

import gzip
import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from firstflight.serving.inference import body, headers
from firstflight.serving.local.model_server import model_settings, server_settings
from firstflight.serving.local.servers import ServerPorts
from firstflight.settings import Settings
from tests.conftest import free_ports
from tests.serving_bench import MODEL, ROOT, artifact, history, until

GOOD: dict[str, Any] = json.loads(body({"history": history()}))
IMPOSSIBLE = "impossible"
BY_GRPC = """
import sys, grpc
from mlserver.grpc import dataplane_pb2 as pb
from mlserver.grpc.dataplane_pb2_grpc import GRPCInferenceServiceStub
from mlserver.grpc.model_repository_pb2_grpc import ModelRepositoryServiceStub
from mlserver.grpc.model_repository_pb2 import RepositoryModelUnloadRequest, RepositoryModelLoadRequest
channel, [_, _, model] = grpc.insecure_channel(sys.argv[1]), sys.argv
tensor = pb.ModelInferRequest.InferInputTensor(name="history", datatype="FP64", shape=[1, 70, 6])
tensor.contents.fp64_contents.extend(float(value) for value in sys.stdin.read().split())
asked = pb.ModelInferRequest(model_name="direction", id="東京\\n", inputs=[tensor])
print(GRPCInferenceServiceStub(channel).ModelInfer(asked).id == asked.id)
for call, request in (("Unload", RepositoryModelUnloadRequest), ("Load", RepositoryModelLoadRequest)):
    try:
        getattr(ModelRepositoryServiceStub(channel), f"RepositoryModel{call}")(request(model_name=model))
        print("OK")
    except grpc.RpcError as error:
        print(error.code().name)
"""
ODD_IDS = ("order 7\n", "\x00", "a\x7f", "trail ", "東京", "\U0001f680", "ce: x\r\nset-cookie: y", "", "x" * 1024)


Running = tuple[subprocess.Popen[bytes], ServerPorts]


@pytest.fixture(scope="module", params=[False, True], ids=["alone", "managed"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server of this machine, or one that Seldon's agent manages; a good model and one that says 1.58."""
    folder, first = tmp_path_factory.mktemp("server"), free_ports().servers
    ports = ServerPorts(first, first + 1, first + 2)
    for name, says in ((MODEL, 0.75), (IMPOSSIBLE, 1.58)):
        version = artifact(folder / "artifacts" / name, 1, says=says, model=name)
        (folder / "models" / name).mkdir(parents=True)
        settings = json.dumps(model_settings(version.served_name, version, folder / "artifacts" / name))
        (folder / "models" / name / "model-settings.json").write_text(settings, encoding="utf-8")
    (folder / "models" / "settings.json").write_text(json.dumps(server_settings("test", ports)), encoding="utf-8")
    entry = ["-m", "firstflight.serving.runtime.server", *(["--managed"] if request.param else [])]
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    with ExitStack() as ends:
        log = ends.enter_context((folder / "log").open("wb"))
        command = [Settings(project=ROOT).serving_python, *entry, folder / "models"]
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        ends.callback(process.wait)
        ends.callback(process.terminate)
        yield process, ports


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[httpx.Client]:
    """A client of the server, which is ready."""
    with httpx.Client(base_url=f"http://127.0.0.1:{server[1].rest}", trust_env=False, timeout=30) as asked:
        until(lambda: _ready(asked, MODEL) and _ready(asked, IMPOSSIBLE), 90)
        yield asked


def _ready(client: httpx.Client, model: str) -> bool:
    try:
        return client.get(f"/v2/models/{model}/ready").is_success
    except httpx.TransportError:
        return False


def ask(client: httpx.Client, request: object, model: str = MODEL, **more: str) -> httpx.Response:
    """Ask a model with the JSON of `request`."""
    return client.post(
        f"/v2/models/{model}/infer", content=json.dumps(request), headers={**headers(MODEL, "r"), **more}
    )


@pytest.mark.parametrize("said", ODD_IDS)
def test_an_id_is_any_string_and_comes_back_in_no_header(client: httpx.Client, said: str) -> None:
    """Line ends, control characters and other scripts are an id like any other."""
    answer = ask(client, {**GOOD, "id": said})
    assert (200, said) == (answer.status_code, answer.json()["id"])
    assert not [name for name in answer.headers if name.startswith("ce-")]


def test_an_id_has_an_end(client: httpx.Client) -> None:
    """Longer than stated is refused, and told why."""
    answer = ask(client, {**GOOD, "id": "x" * 60_000})
    assert (422, True) == (answer.status_code, "at most 1,024" in answer.json()["error"])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe\x00",
        b'{"id": "\xed\xa0\x80", "inputs": []}',
        b"[" * 100_000,
        b'{"inputs": 1e999}',
        b'{"inputs": [{"name": "history", "shape": [1e30], "datatype": "FP64", "data": [1]}]}',
        b'{"inputs": [{"name": "history", "shape": [9223372036854775807, 9], "datatype": "FP64", "data": []}]}',
        b'{"inputs": [], "parameters": {"headers": {"x": "\\n"}}}',
        json.dumps({"inputs": GOOD["inputs"] * 2}).encode(),
    ],
)
@pytest.mark.parametrize("kind", ["application/json", "application/octet-stream", "multipart/form-data", ""])
def test_what_is_no_request_is_the_clients_mistake(client: httpx.Client, content: bytes, kind: str) -> None:
    """422 with a reason: to Seldon's agent 400 and 404 mean that the model is missing; 5xx would be the model's."""
    answer = client.post(f"/v2/models/{MODEL}/infer", content=content, headers={"content-type": kind})
    assert 422 == answer.status_code, answer.text
    assert answer.json()["error"]


def test_no_path_below_a_model_makes_it_look_missing(client: httpx.Client) -> None:
    """Neither a version nor a kind of question that is not there; another model's name still is not found."""
    for path in ("versions/9/infer", "versions/1/infer", "infer_stream", "generate", "nothing"):
        assert 422 == client.post(f"/v2/models/{MODEL}/{path}", json=GOOD).status_code
    assert 404 == ask(client, GOOD, model="other").status_code


def test_a_body_is_read_up_to_its_limit_and_not_unpacked(client: httpx.Client) -> None:
    """Not a byte more than a mebibyte, however it is sent."""
    for content in (b" " * (2**20 + 1), iter([b" " * 2**19] * 3)):
        assert 413 == client.post(f"/v2/models/{MODEL}/infer", content=content).status_code
    packed = gzip.compress(json.dumps(GOOD).encode())
    answer = client.post(f"/v2/models/{MODEL}/infer", content=packed, headers={"content-encoding": "gzip"})
    assert 415 == answer.status_code


def test_who_left_is_not_answered(client: httpx.Client, server: Running) -> None:
    """A server that was held up turns to those who still wait: the gateway has sent the others' requests again."""
    process, ports = server

    def answered() -> int:
        told = httpx.get(f"http://127.0.0.1:{ports.metrics}/metrics", trust_env=False, timeout=30).text
        counts = re.findall(r'^rest_server_requests_total\{.*path="[^"]*infer".*\} (.*)$', told, re.MULTILINE)
        return int(sum(map(float, counts)))

    assert 200 == ask(client, GOOD).status_code
    before, content = answered(), body({"history": history()})
    assert before
    head = f"POST /v2/models/{MODEL}/infer HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {len(content)}\r\n\r\n"
    process.send_signal(signal.SIGSTOP)
    try:
        for _ in range(50):
            with socket.create_connection(("127.0.0.1", ports.rest), timeout=30) as leaving:
                leaving.sendall(head.encode() + content)
    finally:
        process.send_signal(signal.SIGCONT)
    assert 200 == ask(client, GOOD).status_code
    assert before + 1 == answered()


def test_what_cannot_be_true_is_not_sent(client: httpx.Client) -> None:
    """A probability of 1.58 is a failure of the model, and its range is declared."""
    answer = ask(client, GOOD, model=IMPOSSIBLE)
    assert (500, True) == (answer.status_code, "1.58" in answer.json()["error"])
    [declared] = client.get(f"/v2/models/{MODEL}").json()["outputs"]
    assert {"minimum": 0.0, "maximum": 1.0} == declared["parameters"]


def test_prometheus_is_told_how_long_answers_took(client: httpx.Client, server: Running) -> None:
    """By model and what became of them, with the id of a request; as OpenMetrics to whoever takes that."""
    metrics = f"http://127.0.0.1:{server[1].metrics}/metrics"
    for code, sent, model in ((200, GOOD, MODEL), (422, {"inputs": []}, MODEL), (500, GOOD, IMPOSSIBLE)):
        assert code == ask(client, sent, model=model, **{"x-request-id": f"order-{code}"}).status_code
    told = client.get(metrics, headers={"accept": "application/openmetrics-text; version=1.0.0"})

    assert ("application/openmetrics-text", True) == (
        told.headers["content-type"].partition(";")[0],
        told.text.endswith("# EOF\n"),
    )
    count = r'^model_inference_latency_seconds_count\{model="(\w+)",result="(\w+)",.*\} (.*)$'
    counted = {(model, result): float(value) for model, result, value in re.findall(count, told.text, re.MULTILINE)}
    assert min(counted[MODEL, "answered"], counted[MODEL, "refused"], counted[IMPOSSIBLE, "failed"]) >= 1
    assert {"order-200", "order-422", "order-500"} <= set(re.findall(r'# \{request_id="([^"]*)"\}', told.text))
    assert "model_inference_latency_seconds_bucket" in client.get(metrics).text


def test_nobody_unloads_a_model_but_its_manager(client: httpx.Client, request: pytest.FixtureRequest) -> None:
    """A form sent by a page is no reason to stop serving."""
    managed = "managed" in request.node.name
    unload = client.post(f"/v2/repository/models/{IMPOSSIBLE}/unload", data={"a": "b"})
    assert (200 if managed else 404) == unload.status_code
    assert managed != _ready(client, IMPOSSIBLE)
    assert (200 if managed else 404) == client.post(f"/v2/repository/models/{IMPOSSIBLE}/load").status_code
    assert _ready(client, IMPOSSIBLE)


def test_a_page_that_calls_itself_this_machine_is_refused(
    client: httpx.Client, server: Running, request: pytest.FixtureRequest
) -> None:
    """A name that somebody else's DNS gives to 127.0.0.1 is not ours, at no port; in a cluster the pod has many."""
    metrics = f"http://127.0.0.1:{server[1].metrics}/metrics"
    for host, code in (("rebound.example:80", 200 if "managed" in request.node.name else 421), ("localhost:80", 200)):
        assert code == ask(client, GOOD, host=host).status_code
        assert code == client.get(metrics, headers={"host": host}).status_code


def test_grpc_is_no_way_around(client: httpx.Client, request: pytest.FixtureRequest) -> None:
    """The same ids, and the same repository for nobody but the manager."""
    assert client.base_url.port
    address = f"127.0.0.1:{client.base_url.port + 1}"
    numbers = " ".join(str(number) for number in history().ravel())
    command = [Settings(project=ROOT).serving_python, "-c", BY_GRPC, address, IMPOSSIBLE]
    said = subprocess.run(command, input=numbers, capture_output=True, text=True, check=True, timeout=60).stdout
    assert ["True", *["OK" if "managed" in request.node.name else "NOT_FOUND"] * 2] == said.split()
