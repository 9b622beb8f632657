"""What clients and the access log see, through a real gateway and real model servers."""

import json
import os
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import numpy as np
import pytest

from firstflight.domain.faults import Fault
from firstflight.domain.route_header import served_name
from firstflight.domain.traffic import TrafficSplit
from firstflight.guard.counter_check import CounterCheck
from firstflight.observation.access_log import parse
from firstflight.observation.records import Prediction
from firstflight.serving.inference import body, headers, predict
from firstflight.serving.limits import LONGEST_NAME
from firstflight.serving.local import loopback
from firstflight.serving.local.backend import LocalBackend
from firstflight.serving.local.envoy import bootstrap
from firstflight.serving.local.envoy.bootstrap import access_log
from firstflight.serving.local.gateway import NAME, Gateway, program
from firstflight.settings import Settings
from firstflight.supervision import accounts
from firstflight.supervision.supervisor import Supervisor
from tests.serving_bench import (
    MODEL,
    MODEL_INFER,
    access_lines,
    artifact,
    call,
    gateway_is_ready,
    history,
    infer_message,
    serving_stack,
    until,
)

pytestmark = pytest.mark.local
STABLE, CANDIDATE = "baseline-predictor-v1", "lightweight-predictor-v2"
SHADOW = "shadow-predictor-v2"
HALF = TrafficSplit.canary(STABLE, CANDIDATE, 50)
LOG_KEYS = {
    *("ts", "key", "rid", "unit", "route", "matched", "cluster", "listener", "assigned", "served", "pred"),
    *("code", "grpc", "flags", "attempts", "us"),
}
TOKENS = iter(range(1, 10_000))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A gateway with a stable model that says 0.25, a candidate that says 0.75, and that one again as a shadow."""
    with serving_stack() as running:
        backend, folder = LocalBackend(running), tmp_path_factory.mktemp("artifacts")
        backend.deploy(artifact(folder / "stable", 1, says=0.25), folder / "stable")
        candidate = artifact(folder / "candidate", 2, variant="lightweight", says=0.75)
        backend.deploy(candidate, folder / "candidate")
        backend.deploy(candidate, folder / "candidate", SHADOW)
        yield running


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """One connection for many questions."""
    with httpx.Client(timeout=10, trust_env=False) as session:
        yield session


@pytest.fixture(scope="module")
def channel(settings: Settings) -> Iterator[grpc.Channel]:
    """One connection for many calls."""
    with grpc.insecure_channel(f"127.0.0.1:{settings.ports.gateway}") as opened:
        yield opened


def send(settings: Settings, split: TrafficSplit) -> None:
    """Divide the route."""
    LocalBackend(settings).set_traffic(MODEL, split, next(TOKENS))


def ask(
    settings: Settings, client: httpx.Client, rid: str = "r", unit: str | None = None, **more: str
) -> httpx.Response:
    """Ask the route once, with more headers if given."""
    sent = {**headers(MODEL, rid, unit), **{name.replace("_", "-"): value for name, value in more.items()}}
    url = f"{settings.gateway_url}/v2/models/{MODEL}/infer"
    return client.post(url, content=body({"history": history()}, rid), headers=sent)


def test_the_answer_says_who_answered_what(settings: Settings, client: httpx.Client) -> None:
    """Route, server, version, prediction and request id stand in the headers; the body carries the tensor."""
    send(settings, TrafficSplit.all_to(CANDIDATE))
    answer = ask(settings, client, "r-1", "u-1")
    named = {
        name: answer.headers[name] for name in ("x-seldon-route", "x-served-by", "x-model-version", "x-prediction")
    }
    assert named == {
        "x-seldon-route": f":{CANDIDATE}_1:",
        "x-served-by": CANDIDATE,
        "x-model-version": CANDIDATE,
        "x-prediction": "0.750000",
    }
    assert answer.headers["x-request-id"] == "r-1"
    assert (answer.json()["id"], answer.json()["outputs"][0]["data"]) == ("r-1", [0.75])


def test_a_batch_is_answered_whole(settings: Settings) -> None:
    """[B] probabilities for B histories."""
    send(settings, TrafficSplit.all_to(STABLE))
    answered = predict(settings.gateway_url, MODEL, {"history": history(batch=5)})
    assert answered.outputs["probability_up"].tolist() == [0.25] * 5


def test_weights_are_kept(settings: Settings, client: httpx.Client) -> None:
    """At 30 % about 30 of 100 requests without a unit reach the candidate."""
    send(settings, TrafficSplit.canary(STABLE, CANDIDATE, 30))
    reached = Counter(ask(settings, client).headers["x-model-version"] for _ in range(300))
    assert reached[CANDIDATE] == pytest.approx(90, abs=32)  # 4 standard deviations
    assert reached.total() == 300


def test_a_unit_stays_and_a_growing_candidate_loses_nobody(settings: Settings, client: httpx.Client) -> None:
    """Who asks about the same thing gets the same model, and keeps the candidate while it grows."""
    units = [f"AAPL@{number}" for number in range(60)]
    had: set[str] = set()
    for percent in (5, 25, 50, 75, 100):
        send(settings, TrafficSplit.canary(STABLE, CANDIDATE, percent))
        chosen = [
            {unit for unit in units if ask(settings, client, unit=unit).headers["x-model-version"] == CANDIDATE}
            for _ in range(2)
        ]
        assert chosen[0] == chosen[1]
        assert had <= chosen[0]
        had = chosen[0]
    assert had == set(units)


def test_the_route_header_sent_back_keeps_the_model(settings: Settings, client: httpx.Client) -> None:
    """Seldon's stickiness; a name that is gone, or has no weight, is nobody's dead end."""
    send(settings, HALF)
    for name in (STABLE, CANDIDATE):
        kept = [ask(settings, client, x_seldon_route=f":{name}_1:").headers["x-model-version"] for _ in range(10)]
        assert kept == [name] * 10
    assert httpx.codes.OK == ask(settings, client, x_seldon_route=":gone-predictor-v7_1:").status_code
    send(settings, TrafficSplit.canary(STABLE, CANDIDATE, 0))
    assert STABLE == ask(settings, client, x_seldon_route=f":{CANDIDATE}_1:").headers["x-model-version"]


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_every_request_is_logged_with_its_shadow(
    settings: Settings, client: httpx.Client, channel: grpc.Channel, protocol: str
) -> None:
    """One line from each listener with the same request id; clients never see the shadow's answer."""
    send(settings, TrafficSplit(stable=STABLE, weights={STABLE: 100}, shadow=SHADOW))
    ids = [f"{protocol}-{number}" for number in range(20)]
    begin = time.time()

    def said(rid: str) -> str:
        if protocol == "http":
            return ask(settings, client, rid, f"unit-{rid}").headers["x-prediction"]
        return call(channel, infer_message(history()), headers(MODEL, rid, f"unit-{rid}")).said["x-prediction"]

    assert {"0.250000"} == {said(rid) for rid in ids}

    def lines(listener: str) -> dict[str, dict[str, Any]]:
        return {
            line["rid"]: line for line in access_lines(settings) if line["listener"] == listener and line["rid"] in ids
        }

    until(lambda: len(lines("main")) == len(lines("mirror")) == len(ids))
    for rid in ids:
        main, mirror = lines("main")[rid], lines("mirror")[rid]
        assert LOG_KEYS == set(main) == set(mirror)
        assert begin - 1 < float(main["ts"]) < time.time()
        assert (f"unit-{rid}", f"{MODEL}.experiment") == (main["unit"], main["route"])
        assert (200, 1, None if protocol == "http" else 0) == (main["code"], main["attempts"], main["grpc"])
        assert (STABLE, STABLE, "0.250000") == (served_name(main["assigned"]), main["served"], main["pred"])
        assert (None, SHADOW, "0.750000") == (mirror["assigned"], mirror["served"], mirror["pred"])
        assert 0 < main["us"] < 10_000_000


def test_the_access_log_can_be_rotated(settings: Settings, client: httpx.Client) -> None:
    """Renamed and reopened, no line is lost."""
    send(settings, TrafficSplit.all_to(STABLE))
    log = access_log(settings.home / "gateway")
    old = log.with_name("old.jsonl")
    ask(settings, client, "before")
    until(lambda: any(line["rid"] == "before" for line in access_lines(settings)))
    log.rename(old)
    Gateway(settings).reopen_logs()
    ask(settings, client, "after")
    until(lambda: [line["rid"] for line in access_lines(settings)] == ["after"])


def test_what_is_not_served_is_not_found(settings: Settings, client: httpx.Client) -> None:
    """Another model, and MLServer's own management are 404."""
    send(settings, TrafficSplit.all_to(STABLE))
    assert 404 == ask(settings, client, seldon_model="volatility").status_code
    assert 404 == client.post(f"{settings.gateway_url}/v2/models/volatility/infer", json={}).status_code
    managed = client.post(f"{settings.gateway_url}/v2/repository/index", json={}, headers={"seldon-model": MODEL})
    assert 404 == managed.status_code


@pytest.mark.parametrize(
    ("tensor", "fault"),
    [
        ({"name": "prices"}, "exactly one, 'history'"),
        ({"datatype": "FP32"}, "must be FP64"),
        ({"shape": [1, 71, 6]}, "cannot make a tensor"),
        ({"shape": [1, 1, 420]}, "shape (1, 1, 420)"),
        ({"shape": [-5, 70, 6]}, "must not be negative"),
        ({"data": ["x"] * 420}, "cannot make a tensor"),
        ({"data": [[1], [2, 3]]}, "cannot make a tensor"),
        ({"data": "text"}, "cannot make a tensor"),
        ({"data": [], "shape": [0, 70, 6]}, "shape (0, 70, 6)"),
        ({"data": [-1.0] * 420}, "must be positive"),
        ({"data": [None] * 420}, "NaN"),
    ],
)
def test_a_bad_request_is_told_its_fault(
    settings: Settings, client: httpx.Client, tensor: dict[str, Any], fault: str
) -> None:
    """422 and the reason, never a 500; the server goes on."""
    send(settings, TrafficSplit.all_to(STABLE))
    good = {"name": "history", "shape": [1, 70, 6], "datatype": "FP64", "data": history().ravel().tolist()}
    url = f"{settings.gateway_url}/v2/models/{MODEL}/infer"
    answer = client.post(url, json={"inputs": [{**good, **tensor}]}, headers={"seldon-model": MODEL})
    assert (422, True) == (answer.status_code, fault in answer.json()["error"]), answer.text
    assert httpx.codes.OK == ask(settings, client).status_code


ODD = ("order 7\n", "a\x00", "\x7f", "trail ", "東京", "\U0001f680", "x: y\r\nset-cookie: z", "\u2028", "\ufeff")


@pytest.mark.parametrize("profile", ["safe", "seldon"])
def test_whatever_a_client_writes_is_answered(settings: Settings, client: httpx.Client, profile: str) -> None:
    """No id, name or parameter ends a connection or is a failure of the model; what is too long is told so."""
    backend = LocalBackend(settings.model_copy(update={"gateway_profile": profile}))
    backend.set_traffic(MODEL, HALF, next(TOKENS))
    good = json.loads(body({"history": history()}))
    url = f"{settings.gateway_url}/v2/models/{MODEL}/infer"

    def code(request: object, **more: str) -> int:
        return client.post(url, json=request, headers={**headers(MODEL, "r"), **more}).status_code

    for odd in ODD:
        assert 200 == code({**good, "id": odd}), odd
        assert 200 == code({**good, "parameters": {"content_type": odd, "headers": {odd: odd}, odd or "a": odd}}), odd
        assert 422 == code({**good, "inputs": [{**good["inputs"][0], "name": odd}]}), odd
        assert 200 == code({**good, "outputs": [{"name": odd}]}), odd
    assert 422 == code({**good, "id": "x" * 60_000})
    for header in ("x-request-id", "x-unit-id", "content-type", "user-agent"):
        for value in ("x" * 2000, "", "\N{LATIN SMALL LETTER E WITH ACUTE}\xff", "a, b", '"{}"'):
            sent = [(header.encode(), value.encode("latin-1")), *list(httpx.Headers(headers(MODEL, "r")).raw)]
            kept = [pair for number, pair in enumerate(sent) if number == 0 or pair[0].lower() != header.encode()]
            assert 200 == client.post(url, content=json.dumps(good), headers=kept).status_code, (header, value)
    for inside in ("10.0.0.1", "127.0.0.1", "::1"):  # who seems to be of Envoy's own sets no time-out and no retries
        for order in ("upstream-rq-timeout-ms", "upstream-rq-per-try-timeout-ms", "upstream-alt-stat-name"):
            assert 200 == code(good, **{"x-forwarded-for": inside, "x-envoy-internal": "true", f"x-envoy-{order}": "1"})
    assert 431 == code(good, **{"x-unit-id": "u" * 59_000})
    assert 413 == client.post(url, content=b" " * (2**20 + 1), headers=headers(MODEL, "r")).status_code
    assert 404 == code(good, host="rebound.example")
    assert 200 == code(good, host="localhost:80")


def connected(settings: Settings, content: bytes, length: int) -> socket.socket:
    """A connection on which a request has begun, with so much of its content."""
    connection = socket.create_connection(("127.0.0.1", settings.ports.gateway))
    head = f"POST /v2/models/{MODEL}/infer HTTP/1.1\r\nhost: localhost\r\nseldon-model: {MODEL}\r\n"
    connection.sendall(f"{head}x-request-id: gone\r\ncontent-length: {length}\r\n\r\n".encode() + content)
    return connection


def test_a_slow_model_has_the_time_that_is_declared(settings: Settings, client: httpx.Client, tmp_path: Path) -> None:
    """Asked once, it answers itself, later than a gateway waits that was told nothing."""
    backend, name = LocalBackend(settings.model_copy(update={"answer_seconds": 60.0})), "slow-predictor-v7"
    slow = artifact(tmp_path / "slow", 7, says=0.9, fault=Fault(kind="latency", milliseconds=1200))
    backend.deploy(slow, tmp_path / "slow", name)
    backend.set_traffic(MODEL, TrafficSplit.canary(STABLE, name, 100), next(TOKENS))
    answer = ask(settings, client)
    assert (200, name) == (answer.status_code, answer.headers["x-served-by"])
    assert 1 == counted(backend, name)


def test_a_request_is_charged_when_it_is_routed(
    settings: Settings, client: httpx.Client, channel: grpc.Channel, tmp_path: Path
) -> None:
    """Failures count however odd their unit is and whoever left; who leaves before it has sent everything counts not.

    Nor does a question about the model; one that the client picked is told apart.
    """
    backend, name = LocalBackend(settings), "charged-predictor-v8"
    slow = artifact(tmp_path / "slow", 8, says=0.9, fault=Fault(kind="latency", milliseconds=400))
    backend.deploy(slow, tmp_path / "slow", name)
    begin = time.time()
    backend.set_traffic(MODEL, TrafficSplit.canary(STABLE, name, 100), next(TOKENS))
    content = body({"history": history()})
    for _ in range(5):
        connected(settings, content[:50], len(content)).close()
    left = [connected(settings, content, len(content)) for _ in range(3)]
    named = tuple(headers(MODEL, "gone").items())
    given_up = channel.unary_unary(MODEL_INFER).future(infer_message(history()), metadata=named)
    until(lambda: counted(backend, name) >= 4)
    for connection in left:
        connection.close()
    given_up.cancel()
    assert 200 == ask(settings, client, "gone", "u" * 2000).status_code
    assert 200 == ask(settings, client, "gone", "u" * 2000).status_code
    assert 200 == ask(settings, client, "picked", x_seldon_route=f":{name}_1:").status_code
    assert (6, 1) == (counted(backend, name), backend.tallies(MODEL)[name].chosen)
    about = f"{settings.gateway_url}/v2/models/{MODEL}"
    assert 200 == client.get(f"{about}/ready", headers={"seldon-model": MODEL}).status_code
    before = counted(backend, STABLE)
    assert STABLE == client.get(about, headers={"seldon-model": MODEL}).json()["parameters"]["served_name"]
    assert before == counted(backend, STABLE)

    until(lambda: any(one.rid == "picked" for one in recorded(settings, begin)))
    mine = [one for one in recorded(settings, begin) if one.arm == name]
    assert Counter({True: 4, False: 2}) == Counter(one.failed for one in mine)
    assert ({"gone"}, 6) == ({one.rid for one in mine}, len({one.counted_as for one in mine}))
    assert {None, "u" * LONGEST_NAME} == {one.unit for one in mine}
    assert ["picked"] == [one.rid for one in recorded(settings, begin) if one.chosen]
    backend.set_traffic(MODEL, TrafficSplit.all_to(STABLE), next(TOKENS))
    backend.undeploy(name)


def test_failures_that_a_client_chose_do_not_move_the_guard(
    settings: Settings, client: httpx.Client, tmp_path: Path
) -> None:
    """Its fast rules hear of what the split gave alone, whoever else is failed, and no copy goes to a shadow."""
    backend, name, now = LocalBackend(settings), "chosen-predictor-v7", 0.0
    backend.deploy(
        artifact(tmp_path / "errors", 7, says=0.9, fault=Fault(kind="errors", share=1.0)), tmp_path / "errors", name
    )
    split = TrafficSplit(stable=STABLE, weights={STABLE: 50, name: 50}, shadow=SHADOW)
    backend.set_traffic(MODEL, split, next(TOKENS))
    counters, copies = CounterCheck(time.sleep), counted(backend, SHADOW)
    assert counters.fault(backend, MODEL, (name,), now) is None
    for _ in range(100):
        assert 500 == ask(settings, client, x_seldon_route=f":{name}_1:").status_code
    tally = backend.tallies(MODEL)[name]
    assert (0, 0, 100) == (tally.requests, tally.failures, tally.chosen)
    assert counters.fault(backend, MODEL, (name,), now + 3) is None
    for _ in range(40):
        ask(settings, client)
    assert "of the candidate's last" in str(counters.fault(backend, MODEL, (name,), now + 6))
    until(lambda: counted(backend, SHADOW) >= copies + 40)
    assert copies + 40 == counted(backend, SHADOW)
    backend.set_traffic(MODEL, TrafficSplit.all_to(STABLE), next(TOKENS))
    backend.undeploy(name)


@contextmanager
def restarted(settings: Settings) -> Iterator[None]:
    """The gateway with the bootstrap as it is now, and afterwards as it was."""
    supervisor = Supervisor(settings.supervisor_folder)

    def restart() -> None:
        supervisor.remove(NAME)
        supervisor.add(program(settings))
        until(lambda: gateway_is_ready(settings))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "SECONDS_TO_SEND", 1)
        patch.setitem(bootstrap._CONNECTIONS["typed_config"], "max_active_downstream_connections", 5)
        restart()
        yield
    restart()


def test_neither_a_slow_sender_nor_a_crowd_holds_the_gateway(settings: Settings) -> None:
    """Who does not finish in time is told so (408), before any routing; connections beyond the most are closed."""
    send(settings, TrafficSplit.all_to(STABLE))
    content = body({"history": history()})
    begin = time.time()
    with restarted(settings):
        slow = connected(settings, content[:50], len(content))
        slow.settimeout(30)
        assert slow.recv(20).startswith(b"HTTP/1.1 408 ")
        slow.close()
        crowd = [socket.create_connection(("127.0.0.1", settings.ports.gateway)) for _ in range(12)]

        def closed(connection: socket.socket) -> bool:
            connection.setblocking(False)
            try:
                return connection.recv(1) == b""
            except BlockingIOError:
                return False
            except ConnectionError:
                return True

        until(lambda: sum(map(closed, crowd)) >= 7)
        assert {MODEL: STABLE} == LocalBackend(settings).stables(), "its owner is let in all the same"
        for connection in crowd:
            connection.close()

    def late() -> list[dict[str, Any]]:
        return [line for line in access_lines(settings) if float(line["ts"]) >= begin and line["code"] == 408]

    until(lambda: len(late()) == 1)
    assert () == parse([json.dumps(line).encode() for line in late()]).predictions


def counted(backend: LocalBackend, name: str) -> int:
    """Requests that the router has sent to a model."""
    return backend.tallies(MODEL)[name].requests


def test_nobody_steers_what_serves_but_its_owner(settings: Settings, client: httpx.Client) -> None:
    """The admin interface is a file that others cannot open; a model server unloads nothing, nor counts made-up names.

    And it is not asked by a name that somebody else's DNS gave it.
    """
    send(settings, TrafficSplit.all_to(STABLE))
    admin = Gateway(settings).admin.stat()
    assert 0o600 == admin.st_mode & 0o777
    assert (os.getuid() or accounts.GATEWAY) == admin.st_uid  # root's is a user of its own
    table = LocalBackend(settings)._table
    ports = table.ports(table.read()[STABLE])
    server, metrics = f"http://127.0.0.1:{ports.rest}", f"http://127.0.0.1:{ports.metrics}/metrics"
    assert 200 == ask(settings, client).status_code  # what is told of a model's answers begins with the first
    before = len(client.get(metrics).text.splitlines())
    assert 404 == client.post(f"{server}/v2/repository/models/{MODEL}/unload", data={"a": "b"}).status_code
    for number in range(60):
        for where in (settings.gateway_url, server):
            named = client.post(f"{where}/v2/models/m{number}/infer", json={}, headers={"seldon-model": MODEL})
            assert 404 == named.status_code
    assert 421 == client.get(f"{server}/v2/models/{MODEL}", headers={"host": "rebound.example"}).status_code
    assert 200 == ask(settings, client).status_code
    assert len(client.get(metrics).text.splitlines()) <= before + 20


def test_a_body_that_is_no_request_is_refused(settings: Settings, client: httpx.Client) -> None:
    """MLServer's own guard: a client's error, not a server's."""
    send(settings, TrafficSplit.all_to(STABLE))
    for content in (b"{", b"{}", b"[]"):
        url = f"{settings.gateway_url}/v2/models/{MODEL}/infer"
        answer = client.post(url, content=content, headers=headers(MODEL, "r"))
        assert 400 <= answer.status_code < 500, answer.text


@pytest.mark.parametrize("profile", ["safe", "seldon"])
def test_drills(settings: Settings, client: httpx.Client, tmp_path: Path, profile: str) -> None:
    """Errors reach the client in their share, slowness is slow, inverted predictions are wrong; by order, and named."""
    backend = LocalBackend(settings.model_copy(update={"gateway_profile": profile}))
    name = f"{profile}-predictor-v9"
    for fault in (
        Fault(kind="latency", milliseconds=150),
        Fault(kind="inverted"),
        *(
            [Fault(kind="errors", share=0.5)] if profile == "safe" else []
        ),  # Seldon would hide it behind five slow tries
    ):
        version = artifact(tmp_path / fault.kind, 9, says=0.9, fault=fault)
        backend.deploy(version, tmp_path / fault.kind, name)
        backend.set_traffic(MODEL, TrafficSplit.canary(STABLE, name, 100), next(TOKENS))
        answers = [ask(settings, client) for _ in range(20)]
        codes = Counter(answer.status_code for answer in answers)
        if fault.kind == "errors":
            assert 3 < codes[500] < 17
            assert {name} == {answer.headers["x-served-by"] for answer in answers}
        else:
            assert Counter({200: 20}) == codes
            slow = np.median([answer.elapsed.total_seconds() for answer in answers]) > 0.15
            assert (fault.kind == "latency", "0.900000" if fault.kind == "latency" else "0.100000") == (
                slow,
                answers[0].headers["x-prediction"],
            )
        backend.set_traffic(MODEL, TrafficSplit.all_to(STABLE), next(TOKENS))
        backend.undeploy(name)


def test_metrics_have_their_own_port(settings: Settings) -> None:
    """MLServer's counters can be scraped beside the traffic."""
    table = LocalBackend(settings)._table
    text = loopback.get(table.ports(table.read()[STABLE]).metrics, "/metrics").body.decode()
    assert "model_infer_request_success" in text


BY_OTHERS = """
import json, sys, numpy
import tritonclient.grpc, tritonclient.http
from tritonclient.utils import InferenceServerException
_, url, model, headers = sys.argv
asked = numpy.array(json.load(sys.stdin))
named = json.loads(headers)
for library, sent in ((tritonclient.http, {}), (tritonclient.grpc, named)):
    client = library.InferenceServerClient(url)
    described = client.get_model_metadata(model, headers=sent)
    described = described if isinstance(described, dict) else {"versions": list(described.versions)}
    server = client.get_server_metadata()
    said = [
        client.is_server_live(), client.is_server_ready(), client.is_model_ready(model, headers=sent),
        described["versions"], (server if isinstance(server, dict) else {"name": server.name})["name"],
    ]
    for more in ([{"binary_data": False}, {"binary_data": True}] if library is tritonclient.http else [{}]):
        tensor = library.InferInput("history", list(asked.shape), "FP64")
        tensor.set_data_from_numpy(asked, **more)
        answer = client.infer(model, [tensor], headers=sent, request_id="r")
        said.append(answer.as_numpy("probability_up").tolist())
    print(json.dumps(said))
tensor.set_data_from_numpy(asked)
tensor._raw_content = b"too short"
for broken, sent in ((tensor, named), (tensor, {})):
    try:
        client.infer(model, [broken], headers=sent)
    except InferenceServerException as error:
        print(json.dumps(str(error)))
"""


def test_clients_that_are_not_ours_are_answered(settings: Settings, tmp_path: Path) -> None:
    """Triton's by HTTP, JSON and binary and without a header of Seldon's, and by gRPC; and MLServer's own by HTTP."""
    send(settings, TrafficSplit.all_to(CANDIDATE))
    python, url = settings.serving_python, f"127.0.0.1:{settings.ports.gateway}"
    named = json.dumps(headers(MODEL, "r"))
    said = subprocess.run(
        [python, "-c", BY_OTHERS, url, MODEL, named],
        input=json.dumps(history().tolist()),
        capture_output=True,
        text=True,
        check=True,
    )
    http, by_grpc, unreadable, unnamed = map(json.loads, said.stdout.splitlines())
    known = [True, True, True, ["2"], CANDIDATE]
    assert ([*known, [0.75], [0.75]], [*known, [0.75]]) == (http, by_grpc), said.stderr
    assert "FAILED_PRECONDITION" in unreadable
    assert "do not fit each other" in unreadable
    assert "UNIMPLEMENTED" in unnamed, "as in Seldon, whose mesh reads no message"

    asked, answered = tmp_path / "asked.jsonl", tmp_path / "answered.jsonl"
    asked.write_bytes(body({"history": history()}) + b"\n")
    infer = [str(python.with_name("mlserver")), "infer", "-u", url, "-m", MODEL, "-i", str(asked), "-o", str(answered)]
    subprocess.run(infer, check=True, capture_output=True)
    assert [0.75] == json.loads(answered.read_text(encoding="utf-8"))["outputs"][0]["data"]


def test_binary_tensors_that_do_not_fit_are_told_what_to_send_instead(settings: Settings, client: httpx.Client) -> None:
    """422 and the way out, whatever is wrong with them."""
    send(settings, TrafficSplit.all_to(STABLE))
    url = f"{settings.gateway_url}/v2/models/{MODEL}/infer"
    head = {"name": "history", "shape": [1, 70, 6], "datatype": "FP64", "parameters": {"binary_data_size": 3360}}
    sent = json.dumps({"inputs": [head]}).encode()
    for length, content in ((len(sent), sent + b"short"), (len(sent), sent + bytes(4000)), (3, sent), ("x", sent)):
        named = {"inference-header-content-length": str(length), **headers(MODEL, "r")}
        answer = client.post(url, content=content, headers=named)
        assert (422, True) == (answer.status_code, "binary_data=False" in answer.json()["error"]), answer.text


def test_a_page_of_a_browser_is_no_client(settings: Settings, client: httpx.Client) -> None:
    """It may send what a form may, to any origin: its predictions would be evidence."""
    send(settings, TrafficSplit.all_to(STABLE))
    url, content = f"{settings.gateway_url}/v2/models/{MODEL}/infer", body({"history": history()})
    assert 200 == client.post(url, content=content).status_code
    for origin in ("https://example.org", "null"):
        named = {"origin": origin, "content-type": "text/plain"}
        assert 404 == client.post(url, content=content, headers=named).status_code


def test_a_call_keeps_to_the_split(settings: Settings, channel: grpc.Channel) -> None:
    """Weights, units and the route's own header mean by gRPC what they mean by HTTP, unit by unit the same."""
    message = infer_message(history())

    def chosen(split: TrafficSplit, **more: str) -> str:
        send(settings, split)
        return call(channel, message, {**headers(MODEL, "r"), **more}).said["x-model-version"]

    send(settings, HALF)
    units = [f"unit-{number}" for number in range(40)]
    by_grpc = [call(channel, message, headers(MODEL, "r", unit)).said["x-model-version"] for unit in units]
    with httpx.Client(trust_env=False) as client:
        by_http = [ask(settings, client, unit=unit).headers["x-model-version"] for unit in units]
    assert by_http == by_grpc
    assert {STABLE, CANDIDATE} == set(by_grpc)
    for name in (STABLE, CANDIDATE):
        assert name == chosen(HALF, **{"x-seldon-route": f":{name}_1:"})
    answer = call(channel, message, {"seldon-model": MODEL, "x-request-id": "mine"})
    assert answer.said["x-request-id"] == "mine"
    assert served_name(answer.said["x-seldon-route"]) == answer.said["x-served-by"] == answer.said["x-model-version"]


def test_only_named_calls_are_let_in(settings: Settings, channel: grpc.Channel) -> None:
    """No loading, no streams, no other model; and no more than a body may have, charged to nobody."""
    send(settings, TrafficSplit.all_to(STABLE))
    named, before = headers(MODEL, "r"), LocalBackend(settings).tallies(MODEL)[STABLE]
    for method in ("RepositoryModelUnload", "RepositoryModelLoad", "RepositoryIndex", "ModelStreamInfer"):
        path = MODEL_INFER.replace("ModelInfer", method)
        assert grpc.StatusCode.UNIMPLEMENTED == call(channel, b"", named, path).status
    unload = "/inference.model_repository.ModelRepositoryService/RepositoryModelUnload"
    assert grpc.StatusCode.UNIMPLEMENTED == call(channel, b"", named, unload).status
    for sent in ({}, {"seldon-model": "volatility"}):
        assert grpc.StatusCode.UNIMPLEMENTED == call(channel, infer_message(history()), sent).status
    large = call(channel, bytes(2**20 + 1), named)
    assert (grpc.StatusCode.UNKNOWN, "Payload Too Large") == (large.status, large.details)
    assert before == LocalBackend(settings).tallies(MODEL)[STABLE]
    with grpc.insecure_channel(
        f"127.0.0.1:{settings.ports.gateway}", [("grpc.default_authority", "rebound.example")]
    ) as page:
        assert grpc.StatusCode.UNIMPLEMENTED == call(page, infer_message(history()), named).status


def test_what_a_client_asks_wrong_by_grpc_is_its_own_mistake(settings: Settings, channel: grpc.Channel) -> None:
    """Neither noise nor a model that is not there is a failure of the one that was chosen."""
    send(settings, TrafficSplit.all_to(STABLE))
    begin, before = time.time(), LocalBackend(settings).tallies(MODEL)[STABLE]
    good = infer_message(history())
    for content, status in (
        (b"\xff\xff", grpc.StatusCode.INVALID_ARGUMENT),
        (good[:-8], grpc.StatusCode.INVALID_ARGUMENT),
        (infer_message(-history()), grpc.StatusCode.FAILED_PRECONDITION),
        (infer_message(history(), "m1"), grpc.StatusCode.NOT_FOUND),
        (b"", grpc.StatusCode.NOT_FOUND),
    ):
        assert status == call(channel, content, headers(MODEL, "wrong")).status
    after = LocalBackend(settings).tallies(MODEL)[STABLE]
    assert (5, 0) == (after.requests - before.requests, after.failures - before.failures)
    until(lambda: 5 == len(recorded(settings, begin)))
    assert {True} == {one.refused for one in recorded(settings, begin)}


def test_a_failed_call_is_a_failure_everywhere(settings: Settings, channel: grpc.Channel, tmp_path: Path) -> None:
    """Though its code is 200: to the client, to the guard's fast rules and to what is recorded, but not when chosen."""
    backend, name, now = LocalBackend(settings), "failing-predictor-v6", 0.0
    errors = artifact(tmp_path / "errors", 6, says=0.9, fault=Fault(kind="errors", share=1.0))
    backend.deploy(errors, tmp_path / "errors", name)
    backend.set_traffic(MODEL, TrafficSplit.canary(STABLE, name, 50), next(TOKENS))
    message, begin = infer_message(history()), time.time()
    counters = CounterCheck(time.sleep)
    assert counters.fault(backend, MODEL, (name,), now) is None
    picked = {**headers(MODEL, "picked"), "x-seldon-route": f":{name}_1:"}
    assert {grpc.StatusCode.INTERNAL} == {call(channel, message, picked).status for _ in range(20)}
    assert counters.fault(backend, MODEL, (name,), now + 3) is None
    called = [call(channel, message, headers(MODEL, f"r-{number}")) for number in range(40)]
    failed = [one for one in called if one.status is not grpc.StatusCode.OK]
    assert {(name, name)} == {(served_name(one.said["x-seldon-route"]), one.said["x-served-by"]) for one in failed}
    assert "of the candidate's last" in str(counters.fault(backend, MODEL, (name,), now + 6))
    tally = backend.tallies(MODEL)[name]
    assert (len(failed), len(failed), 20) == (tally.requests, tally.failures, tally.chosen)
    until(lambda: 60 == len(recorded(settings, begin)))
    mine = [one for one in recorded(settings, begin) if one.arm == name]
    assert [(500, True)] * len(failed) == [(one.code, one.failed) for one in mine]
    assert {STABLE} == {one.arm for one in recorded(settings, begin) if not one.failed}
    backend.set_traffic(MODEL, TrafficSplit.all_to(STABLE), next(TOKENS))
    backend.undeploy(name)


def recorded(settings: Settings, begin: float) -> list[Prediction]:
    """What the collector would keep of the requests since `begin`."""
    lines = [json.dumps(line).encode() for line in access_lines(settings) if float(line["ts"]) >= begin]
    return list(parse(lines).predictions)
