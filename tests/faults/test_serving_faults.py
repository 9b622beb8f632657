"""Processes of the serving stack are killed, and clients must not notice more than was promised."""

import itertools
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import grpc
import httpx
import pytest

from firstflight.acts.homecoming import bring_model_home
from firstflight.domain.calls import http_code
from firstflight.domain.digest import folder_digest
from firstflight.domain.errors import (
    BackendUnavailableError,
    ForeignGatewayError,
    ModelNotReadyError,
    StaleTokenError,
    TrafficNotAppliedError,
)
from firstflight.domain.route_header import served_name
from firstflight.domain.traffic import TrafficSplit
from firstflight.serving.inference import body, headers
from firstflight.serving.local import gateway, model_server
from firstflight.serving.local.backend import LocalBackend
from firstflight.serving.local.gateway import NAME, program
from firstflight.serving.local.model_server import program_name
from firstflight.settings import Settings
from firstflight.supervision.supervisor import Supervisor
from firstflight.world import open_world
from tests.serving_bench import MODEL, artifact, call, gateway_is_ready, history, infer_message, serving_stack, until

pytestmark = pytest.mark.local
STABLE, CANDIDATE = "baseline-predictor-v1", "lightweight-predictor-v2"
HALF = TrafficSplit.canary(STABLE, CANDIDATE, 50)
TOKENS = iter(range(1, 10_000))
PACE_SECONDS = 0.05
"""Each of the 3 clients asks at most this often: 60 requests a second."""
CALLER = 2
"""The one of them that asks by gRPC."""


class Answer(NamedTuple):
    """What a client saw of one request: the code or the transport's error, who was chosen and who answered."""

    sent: float
    code: int | str
    assigned: str | None = None
    served: str | None = None


@dataclass
class Seen:
    """What the clients saw, in the order of arrival."""

    answers: list[Answer] = field(default_factory=list)

    @property
    def failures(self) -> Counter[int | str]:
        """Codes and transport errors that are no success."""
        return Counter(answer.code for answer in self.answers if answer.code != httpx.codes.OK)

    def rescued(self) -> int:
        """Requests that somebody else than the chosen model answered."""
        return sum(1 for answer in self.answers if answer.assigned != answer.served)

    def since(self, moment: float) -> list[Answer]:
        """Answers to requests that were sent after `moment`."""
        return [answer for answer in self.answers if answer.sent > moment]


@contextmanager
def load(settings: Settings) -> Iterator[Seen]:
    """Keep asking through the gateway while the block runs."""
    seen, stop = Seen(), threading.Event()
    content, message = body({"history": history()}), infer_message(history())
    url = f"{settings.gateway_url}/v2/models/{MODEL}/infer"

    def by_http(session: httpx.Client, sent: Mapping[str, str]) -> tuple[int | str, Mapping[str, str]]:
        try:
            answer = session.post(url, content=content, headers=sent)
        except httpx.TransportError as error:
            return repr(error), {}
        return answer.status_code, answer.headers

    def by_grpc(channel: grpc.Channel, sent: Mapping[str, str]) -> tuple[int | str, Mapping[str, str]]:
        called = call(channel, message, sent)
        return http_code(called.status.value[0]), called.said

    def client(number: int) -> None:
        with (
            httpx.Client(timeout=10, trust_env=False) as session,
            grpc.insecure_channel(f"127.0.0.1:{settings.ports.gateway}") as channel,
        ):
            for turn in itertools.count():
                if stop.wait(PACE_SECONDS):
                    return
                named, sent = headers(MODEL, f"client-{number}-{turn}"), time.monotonic()
                code, said = by_grpc(channel, named) if number == CALLER else by_http(session, named)
                seen.answers.append(
                    Answer(sent, code, served_name(said.get("x-seldon-route")), said.get("x-served-by"))
                )

    threads = [threading.Thread(target=client, args=(number,), daemon=True) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A gateway with a stable model and a candidate."""
    with serving_stack() as running:
        backend, folder = LocalBackend(running), tmp_path_factory.mktemp("artifacts")
        backend.deploy(artifact(folder / "stable", 1, says=0.25), folder / "stable")
        backend.deploy(artifact(folder / "candidate", 2, variant="lightweight", says=0.75), folder / "candidate")
        yield running


@pytest.fixture
def backend(settings: Settings) -> LocalBackend:
    """A driver of the stack at 50/50, with everything up."""
    driver = LocalBackend(settings)
    until(lambda: gateway_is_ready(settings) and driver.is_ready(STABLE) and driver.is_ready(CANDIDATE))
    driver.set_traffic(MODEL, HALF, next(TOKENS))
    return driver


def pid(settings: Settings, name: str) -> int | None:
    """Return the process number of a supervised program."""
    state = Supervisor(settings.supervisor_folder).states().get(name)
    return state.pid if state else None


def kill(settings: Settings, name: str) -> int:
    """Kill a supervised program the hard way and return the process number it had."""
    number = pid(settings, name)
    assert number
    os.kill(number, signal.SIGKILL)
    return number


def test_clients_do_not_notice_the_death_of_a_candidate(settings: Settings, backend: LocalBackend) -> None:
    """Killed at 50 %: no request fails, stable runs on, the header still names the candidate, which comes back."""
    stable = pid(settings, program_name(STABLE))
    with load(settings) as seen:
        until(lambda: len(seen.answers) > 30)
        dead = kill(settings, program_name(CANDIDATE))
        until(lambda: seen.rescued() > 10)
        until(lambda: pid(settings, program_name(CANDIDATE)) not in {dead, None} and backend.is_ready(CANDIDATE))
        back = time.monotonic()
        until(lambda: CANDIDATE in {answer.served for answer in seen.since(back)})
    assert seen.failures == Counter()
    assert {answer.assigned for answer in seen.answers} == {STABLE, CANDIDATE}
    assert stable == pid(settings, program_name(STABLE))


class HalfAnAnswer(BaseHTTPRequestHandler):
    """Ready by its own word, but every prediction ends after the headers, as when a server is killed answering."""

    def do_GET(self) -> None:
        """Say that the model is ready."""
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        """Promise a body and hang up."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "188")
        self.end_headers()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


def test_clients_do_not_notice_a_candidate_that_dies_while_answering(settings: Settings, backend: LocalBackend) -> None:
    """Headers without their body reach nobody: the request is tried again at stable."""
    supervisor, table = Supervisor(settings.supervisor_folder), backend._table
    server = table.read()[CANDIDATE]
    artifact_folder = settings.home / "serving" / "models" / CANDIDATE / "artifact"
    supervisor.remove(program_name(CANDIDATE))
    try:
        with ThreadingHTTPServer(("127.0.0.1", table.ports(server).rest), HalfAnAnswer) as dying:
            thread = threading.Thread(target=dying.serve_forever, daemon=True)
            thread.start()
            try:
                with load(settings) as seen:
                    until(lambda: seen.rescued() > 20)
            finally:
                dying.shutdown()
                thread.join()
    finally:
        supervisor.add(
            model_server.program(
                settings, CANDIDATE, server.version, artifact_folder, table.ports(server), settings.serving_python
            )
        )
    assert seen.failures == Counter()


def test_clients_do_not_notice_a_rollback_from_a_hanging_candidate(settings: Settings, backend: LocalBackend) -> None:
    """Stopped in its tracks at 50 %: requests are late but answered, and at weight 0 nobody waits for it."""
    number = pid(settings, program_name(CANDIDATE))
    assert number
    try:
        with load(settings) as seen:
            until(lambda: len(seen.answers) > 30)
            os.kill(number, signal.SIGSTOP)
            until(lambda: seen.rescued() > 3)
            backend.set_traffic(MODEL, TrafficSplit.all_to(STABLE), next(TOKENS))
            after = time.monotonic()
            until(lambda: len(seen.since(after)) > 30)
    finally:
        os.kill(number, signal.SIGCONT)
    assert seen.failures == Counter()
    assert {answer.assigned for answer in seen.since(after)} == {STABLE}


def test_forty_clients_at_once_are_all_rescued_from_a_hanging_candidate(
    settings: Settings, backend: LocalBackend
) -> None:
    """A second try is promised to each of them: Envoy's own limit of three at a time would fail half.

    Half of them share one connection, as gRPC's channels of a process do: those beyond its calls at once wait.
    """
    number = pid(settings, program_name(CANDIDATE))
    assert number
    backend.set_traffic(MODEL, TrafficSplit.canary(STABLE, CANDIDATE, 100), next(TOKENS))
    url, content = f"{settings.gateway_url}/v2/models/{MODEL}/infer", body({"history": history()})
    message, gate = infer_message(history()), threading.Barrier(40)

    def client(turn: int) -> int:
        gate.wait()
        sent = headers(MODEL, f"crowd-{turn}")
        if turn % 2:
            with grpc.insecure_channel(f"127.0.0.1:{settings.ports.gateway}") as channel:
                return http_code(call(channel, message, sent).status.value[0])
        return httpx.post(url, content=content, headers=sent, timeout=30, trust_env=False).status_code

    try:
        os.kill(number, signal.SIGSTOP)
        with ThreadPoolExecutor(40) as crowd:
            codes = Counter(crowd.map(client, range(40)))
    finally:
        os.kill(number, signal.SIGCONT)
    assert Counter({200: 40}) == codes


def test_a_stable_model_that_hangs_is_brought_back(settings: Settings, backend: LocalBackend) -> None:
    """The supervisor starts what ends again; what hangs has to be ended first, and has said where it is."""
    number = pid(settings, program_name(STABLE))
    assert number
    assert {MODEL: STABLE} == backend.stables()
    supervisor = Supervisor(settings.supervisor_folder)
    supervisor.signal(program_name(STABLE), "USR1")
    until(lambda: "most recent call first" in supervisor.log(program_name(STABLE)).read_text())
    assert number == pid(settings, program_name(STABLE))
    os.kill(number, signal.SIGSTOP)
    backend.revive(STABLE)
    until(lambda: pid(settings, program_name(STABLE)) not in {number, None} and backend.is_ready(STABLE), 90)
    backend.evict(CANDIDATE)
    backend.set_traffic(MODEL, TrafficSplit.all_to(STABLE), next(TOKENS))
    version = artifact(settings.home / "again", 2, variant="lightweight", says=0.75)
    backend.deploy(version, settings.home / "again")
    backend.set_traffic(MODEL, TrafficSplit.all_to(CANDIDATE), next(TOKENS))
    backend.evict(CANDIDATE)
    assert {} == backend.stables(), "stopped on purpose"
    backend.deploy(version, settings.home / "again")


def test_weight_changes_drop_no_request(settings: Settings, backend: LocalBackend) -> None:
    """Forty changes, up, down, promoted and back with another stable model, while requests are in flight."""
    with load(settings) as seen:
        for number in range(10):
            for split in (
                TrafficSplit.canary(STABLE, CANDIDATE, 10 * number),
                TrafficSplit.canary(STABLE, CANDIDATE, 100),
                TrafficSplit.all_to(CANDIDATE),
                TrafficSplit.canary(CANDIDATE, STABLE, 50),
            ):
                backend.set_traffic(MODEL, split, next(TOKENS))
                asked = len(seen.answers)
                until(lambda asked=asked: len(seen.answers) >= asked + 4)  # type: ignore[misc]  # mypy cannot infer it
    assert seen.failures == Counter()
    assert len(seen.answers) > 150


def test_the_gateway_comes_back_with_its_split(settings: Settings, backend: LocalBackend) -> None:
    """Killed, it is started again and divides as before."""
    dead = kill(settings, NAME)
    until(lambda: pid(settings, NAME) not in {dead, None} and gateway_is_ready(settings))
    assert backend.get_traffic(MODEL) == HALF


def test_traffic_can_be_set_while_the_gateway_restarts(settings: Settings, backend: LocalBackend) -> None:
    """Bringing traffic home does not depend on the moment."""
    kill(settings, NAME)
    home = TrafficSplit.all_to(STABLE)
    assert backend.set_traffic(MODEL, home, next(TOKENS)) == home


def test_what_the_gateway_refuses_is_taken_back(settings: Settings, backend: LocalBackend) -> None:
    """A model server at an impossible port: the reason is told, the last good split stays, restarts included."""
    ports = settings.ports.model_copy(update={"servers": 66_000})
    wrong = LocalBackend(settings.model_copy(update={"ports": ports}))
    with pytest.raises(TrafficNotAppliedError, match="PortValue"):
        wrong.set_traffic(MODEL, TrafficSplit.all_to(CANDIDATE), next(TOKENS))
    assert backend.get_traffic(MODEL) == HALF
    dead = kill(settings, NAME)
    until(lambda: pid(settings, NAME) not in {dead, None} and gateway_is_ready(settings))
    assert backend.get_traffic(MODEL) == HALF


def test_a_gateway_that_is_gone_is_an_outage(
    settings: Settings, backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a gateway nothing is claimed about traffic, and its split returns with it."""
    monkeypatch.setattr(gateway, "APPLY_SECONDS", 0.3)
    supervisor = Supervisor(settings.supervisor_folder)
    supervisor.remove(NAME)
    with pytest.raises(BackendUnavailableError):
        backend.get_traffic(MODEL)
    with pytest.raises(BackendUnavailableError):
        backend.set_traffic(MODEL, TrafficSplit.all_to(STABLE), next(TOKENS))
    supervisor.add(program(settings))
    until(lambda: gateway_is_ready(settings))
    assert backend.get_traffic(MODEL) == HALF


def test_the_gateway_of_another_home_proves_nothing(settings: Settings, backend: LocalBackend, tmp_path: Path) -> None:
    """A shell that names another home with the same ports: half of the requests go on, and nobody says otherwise."""
    elsewhere = open_world(settings.model_copy(update={"home": tmp_path}))
    with pytest.raises(ForeignGatewayError, match=f"FIRSTFLIGHT_HOME={settings.home}"):
        bring_model_home(elsewhere, MODEL, actor="ada", reason="stop")
    assert HALF == backend.get_traffic(MODEL)


def test_everything_comes_back_after_the_stack_was_down(settings: Settings, backend: LocalBackend) -> None:
    """Servers, split and tokens outlive the supervisor."""
    newest = next(TOKENS)
    backend.set_traffic(MODEL, HALF, newest)
    supervisor = Supervisor(settings.supervisor_folder)
    supervisor.stop()
    with pytest.raises(BackendUnavailableError):
        backend.get_traffic(MODEL)
    supervisor.start([program(settings)])
    until(lambda: gateway_is_ready(settings) and backend.is_ready(STABLE) and backend.is_ready(CANDIDATE))
    assert backend.get_traffic(MODEL) == HALF
    with pytest.raises(StaleTokenError):
        backend.set_traffic(MODEL, HALF, newest - 1)


def test_a_model_that_cannot_be_read_is_refused_quickly_and_with_the_reason(
    backend: LocalBackend, tmp_path: Path
) -> None:
    """A server that ends while loading is not waited for, and its last words are told."""
    version = artifact(tmp_path / "garbage", 9)
    (tmp_path / "garbage" / "model.onnx").write_bytes(b"not a network")
    version = version.model_copy(update={"digest": folder_digest(tmp_path / "garbage")})
    begin = time.monotonic()
    with pytest.raises(ModelNotReadyError, match=r"(?s)ended while loading.*InvalidProtobuf"):
        backend.deploy(version, tmp_path / "garbage")
    assert time.monotonic() - begin < 45
    assert backend.served() == {STABLE, CANDIDATE}
    assert backend.get_traffic(MODEL) == HALF
