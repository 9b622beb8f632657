"""The terminal's client of Prefect's API, against a real HTTP server on loopback."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from pydantic import SecretStr

from firstflight.domain.errors import (
    ApprovalRefusedError,
    FirstflightError,
    NotFoundError,
    OrchestratorUnavailableError,
)
from firstflight.orchestrator import Orchestrator

RUN = "8d9f2a52-53a8-4e0e-9b52-0f3c4c5f1a11"
ANSWER = {"approver": "ada", "decision": "approve", "comment": ""}


class Server(HTTPServer):
    """Answers as told and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 200
        self.answer: Any = {}
        self.asked: list[tuple[str, str, Any]] = []
        self.authorization: list[str | None] = []


class Handler(BaseHTTPRequestHandler):
    """One answer for every path."""

    server: Server

    def do_POST(self) -> None:
        """Keep the request and answer it."""
        length = int(self.headers.get("content-length") or 0)
        self.server.asked.append((self.command, self.path, json.loads(self.rfile.read(length) or "null")))
        self.server.authorization.append(self.headers.get("authorization"))
        body = json.dumps(self.server.answer).encode()
        self.send_response(self.server.status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST  # noqa: N815 - the name http.server calls

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A server of its own for each test."""
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def client(server: Server) -> Orchestrator:
    """A client of that server."""
    return Orchestrator(f"http://127.0.0.1:{server.server_port}/api")


def test_an_answer_is_sent_as_the_form_wants_it(server: Server) -> None:
    """The body is what Prefect validates against the stored schema."""
    server.answer = {"status": "ACCEPT", "details": {}}
    client(server).resume(RUN, ANSWER)
    assert [("POST", f"/api/flow_runs/{RUN}/resume", {"run_input": ANSWER})] == server.asked


def test_what_people_have_answered_is_told_by_question(server: Server) -> None:
    """Forms and their schemas lie beside the answers, under names of Prefect's making."""
    told = json.dumps(ANSWER)
    names = ("schema", "description", "response")
    server.answer = [{"key": f"suspended-m-r1-50-1-{name}", "value": told, "sender": None} for name in names]
    assert {"m-r1-50-1": told} == client(server).answers(RUN)
    assert [("POST", f"/api/flow_runs/{RUN}/input/filter", {"prefix": "suspended-", "limit": 200})] == server.asked


def test_a_rejected_answer_is_an_error_with_the_reason(server: Server) -> None:
    """Prefect says 200 REJECT; a person must not take that for a yes."""
    server.answer = {"status": "REJECT", "details": {"reason": "approver: field required"}}
    with pytest.raises(ApprovalRefusedError, match="approver: field required"):
        client(server).resume(RUN, {"decision": "approve"})


def test_a_server_that_asks_who_is_there_is_told(server: Server) -> None:
    """With credentials each call carries them, without none does."""
    server.answer = {"status": "ACCEPT", "details": {}}
    client(server).resume(RUN, ANSWER)
    Orchestrator(client(server).api, SecretStr("ada:of:the:hill")).resume(RUN, ANSWER)
    told = base64.b64encode(b"ada:of:the:hill").decode()
    assert [None, f"Basic {told}"] == server.authorization


def test_a_server_that_is_away_is_an_outage() -> None:
    """The message says where it was looked for and what to ask next."""
    with pytest.raises(OrchestratorUnavailableError, match=r"127\.0\.0\.1:9/api .*firstflight status"):
        Orchestrator("http://127.0.0.1:9/api").run(RUN)


def test_a_busy_server_is_an_outage_and_a_refusal_is_not(server: Server) -> None:
    """503 and a password that is not taken may be tried again, 422 not."""
    server.status = 503
    with pytest.raises(OrchestratorUnavailableError, match="503"):
        client(server).run(RUN)
    server.status = 401
    with pytest.raises(OrchestratorUnavailableError, match="PREFECT_API_AUTH_STRING"):
        client(server).run(RUN)
    server.status = 422
    with pytest.raises(FirstflightError, match="refused GET /flow_runs") as caught:
        client(server).run(RUN)
    assert not isinstance(caught.value, OrchestratorUnavailableError)


def test_a_run_tells_its_state(server: Server) -> None:
    """A paused run waits for a person; a completed one is final."""
    server.answer = {"id": RUN, "name": "a-run", "state": {"type": "PAUSED", "name": "Suspended", "message": None}}
    found = client(server).run(RUN)
    assert (True, False, "Suspended") == (found.suspended, found.final, found.state_name)


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        (RUN, {"flow_runs": {"id": {"any_": [RUN]}}}),
        ("swift-lynx", {"flow_runs": {"name": {"any_": ["swift-lynx"]}}}),
        (
            "latest",
            {
                "flows": {"name": {"any_": ["canary", "ab-test", "release", "train"]}},
                "flow_runs": {"parent_task_run_id": {"is_null_": True}},
            },
        ),
    ],
)
def test_a_run_is_found_by_id_by_name_or_as_the_latest(server: Server, word: str, wanted: dict[str, Any]) -> None:
    """The latest is one that a person started; an A/B test inside a release is no run of its own."""
    server.answer = [{"id": RUN, "name": "swift-lynx", "state": None, "parameters": {"plan": {"model": "m"}}}]
    found = client(server).find(word)
    assert ("swift-lynx", "PENDING", {"plan": {"model": "m"}}) == (found.name, found.state_type, found.parameters)
    ((_, path, asked),) = server.asked
    assert ("/api/flow_runs/filter", {**wanted, "sort": "EXPECTED_START_TIME_DESC", "limit": 1}) == (path, asked)


def test_a_run_that_is_not_there_is_named(server: Server) -> None:
    """With what there is instead."""
    server.answer = []
    with pytest.raises(NotFoundError, match="Prefect has no run 'nosuch'; the newest: none yet"):
        client(server).find("nosuch")


def test_a_deployment_that_is_not_there_is_named(server: Server) -> None:
    """With what puts it there."""
    server.status = 404
    with pytest.raises(NotFoundError, match="no deployment canary/canary; `firstflight up` deploys"):
        client(server).start("canary/canary", {})


def test_a_pool_tells_who_works_for_it(server: Server) -> None:
    """The pool and its workers, asked in two requests; one that has never been seen is offline."""
    seen = "2026-03-02T12:00:00Z"
    server.answer = [
        {"name": "local", "type": "process", "is_paused": False, "status": "ONLINE", "last_heartbeat_time": seen},
        {"name": "old", "status": "OFFLINE", "last_heartbeat_time": None},
    ]
    pool = client(server).pool("local")
    assert pool is not None
    assert [("local", True), ("old", False)] == [(worker.name, worker.online) for worker in pool.workers]
    assert ("process", False, None) == (pool.type, pool.paused, pool.workers[1].seen)
    assert ["/api/work_pools/filter", "/api/work_pools/local/workers/filter"] == [path for _, path, _ in server.asked]


def test_a_pool_that_is_not_there(server: Server) -> None:
    """Is none."""
    server.answer = []
    assert client(server).pool("nowhere") is None


def test_deployments_by_name(server: Server) -> None:
    """Names without their flows."""
    server.answer = [{"name": "canary"}, {"name": "roll-back"}]
    assert frozenset({"canary", "roll-back"}) == client(server).deployments()
