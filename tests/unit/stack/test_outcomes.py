"""Truths over HTTP: who may tell them, and what is answered."""

import asyncio
import json
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from firstflight.domain.errors import InvalidDataError, StackError, StoreUnavailableError
from firstflight.observation.records import Outcome
from firstflight.observation.store import PredictionStore, Result
from firstflight.settings import Settings
from firstflight.stack import outcomes
from firstflight.stack.outcomes import app
from tests.conftest import free_ports
from tests.serving_bench import until

ROW = {"request": "r1", "truth": 1}
TOKEN = "0123456789abcdef"  # noqa: S105 - the test's own


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Outcome]:
    """What reached the store."""
    found: list[Outcome] = []

    def tell(_store: PredictionStore, rows: Sequence[Outcome]) -> list[Result]:
        found.extend(rows)
        return ["new" for _ in rows]

    monkeypatch.setattr(PredictionStore, "tell", tell)
    return found


class Client:
    """Whoever calls this machine by its own name."""

    def __init__(self, **settings: Any) -> None:
        self._app = app(Settings(home=Path("/nowhere"), **settings))

    def ask(self, method: str, path: str, **sent: Any) -> httpx.Response:
        """Return the answer to one request."""

        async def answer() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:4810") as client:
                return await client.request(method, path, **sent)

        return asyncio.run(answer())

    def post(self, **sent: Any) -> httpx.Response:
        """Tell truths."""
        return self.ask("POST", "/outcomes", **sent)


def test_what_became_of_each_row_is_answered(told: list[Outcome]) -> None:
    """In the order in which they were sent, and counted."""
    answer = Client().post(json=[ROW, {"model": "m", "unit": "u", "truth": "cat"}])
    assert (200, {"counts": {"new": 2}, "results": ["new", "new"]}) == (answer.status_code, answer.json())
    assert ["r1", None] == [one.rid for one in told]


def test_one_malformed_row_stores_nothing(told: list[Outcome]) -> None:
    """Its fault is named; the good ones are sent again with it mended."""
    answer = Client().post(json=[ROW, {"request": "r2"}, {"truth": 1}])
    assert 422 == answer.status_code
    assert ["row 1: it has no truth", "row 2: it names neither a request nor a model and a unit"] == answer.json()[
        "errors"
    ]
    assert [] == told


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"content": b"[", "headers": {"content-type": "application/json"}}, 400),
        ({"content": b"[NaN]", "headers": {"content-type": "application/json"}}, 400),
        ({"content": b"[" * 100_000, "headers": {"content-type": "application/json"}}, 400),
        ({"content": json.dumps([ROW]), "headers": {"content-type": "text/plain"}}, 415),
        ({"json": [ROW] * 1001}, 413),
        ({"content": b" " * (2**20 + 1), "headers": {"content-type": "application/json"}}, 413),
        ({"json": ROW}, 422),
        ({"json": [ROW], "headers": {"host": "evil.example:4810"}}, 403),
    ],
)
def test_what_is_no_batch_is_refused(told: list[Outcome], sent: dict[str, Any], status: int) -> None:
    """With a reason, before anything is stored; a page of somebody else's cannot lead a browser here."""
    answer = Client().post(**sent)
    assert status == answer.status_code
    assert answer.json()["errors"]
    assert [] == told


def test_a_token_is_asked_for_where_there_is_one(told: list[Outcome], tmp_path: Path) -> None:
    """Out of a file or the environment; it is needed where others can reach the port."""
    (tmp_path / "token").write_text(TOKEN + "\n")
    asks = Client(outcomes_host="0.0.0.0", outcomes_token_file=tmp_path / "token")  # noqa: S104 - what is tried
    assert 401 == asks.post(json=[ROW]).status_code
    assert 401 == asks.post(json=[ROW], headers={"authorization": "Bearer wrong"}).status_code
    assert [] == told
    assert 200 == asks.post(json=[ROW], headers={"authorization": f"Bearer {TOKEN}"}).status_code


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"outcomes_host": "0.0.0.0"}, "can be reached by others: set FIRSTFLIGHT_OUTCOMES_TOKEN_FILE"),  # noqa: S104 - as above
        ({"outcomes_token": "short"}, "has fewer than 16 characters"),
        ({"outcomes_host": "localhost"}, "is no address"),
        ({"outcomes_token_file": "/nowhere/token"}, "cannot be read"),
    ],
)
def test_a_door_that_would_stand_open_does_not_begin(settings: dict[str, Any], words: str) -> None:
    """Nobody tells truths from elsewhere without a secret."""
    with pytest.raises(StackError, match=words):
        Client(**settings)


def test_a_store_that_is_away_asks_to_send_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost: a row may be told twice. What the database says is for its log."""

    def away(*_: object) -> list[Result]:
        raise StoreUnavailableError("postgresql://secret@host did not answer")

    monkeypatch.setattr(PredictionStore, "tell", away)
    answer = Client().post(json=[ROW])
    assert (503, "5") == (answer.status_code, answer.headers["retry-after"])
    assert "secret" not in answer.text


def test_what_the_database_does_not_take_is_the_clients_to_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sent again it would be refused again: the row is named, as one that is malformed is."""

    def refused(*_: object) -> list[Result]:
        raise InvalidDataError("outcomes", ("row 0: the database does not take it: out of range",))

    monkeypatch.setattr(PredictionStore, "tell", refused)
    answer = Client().post(json=[ROW])
    assert (422, None) == (answer.status_code, answer.headers.get("retry-after"))
    assert ["row 0: the database does not take it: out of range"] == answer.json()["errors"]


def test_only_what_it_is_for_is_answered() -> None:
    """It is well, and no page."""
    assert "ok" == Client().ask("GET", "/health").text
    assert 405 == Client().ask("GET", "/outcomes").status_code
    assert 404 == Client().ask("GET", "/docs").status_code
    assert outcomes.MOST_BYTES == 2**20


@pytest.mark.parametrize("sent", [b"", b"GET /hea", b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /hea"])
def test_who_sends_nothing_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    """As many as are let in at once, who begin a request and do not end it, are hung up on."""
    monkeypatch.setattr(outcomes, "HEADING_SECONDS", 0.2)
    port = free_ports().outcomes
    running = uvicorn.Server(outcomes.server(app(Settings(home=Path("/nowhere"))), "127.0.0.1", port))
    with ThreadPoolExecutor(1) as aside, ExitStack() as ends:
        aside.submit(running.run)
        ends.callback(setattr, running, "should_exit", True)
        until(lambda: running.started)
        crowd = [ends.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(outcomes.AT_ONCE)]
        for one in crowd:
            with suppress(OSError):  # hung up on already
                one.sendall(sent)
        until(lambda: _is_let_in(port))
        for one in crowd:
            one.settimeout(120)
            with suppress(ConnectionResetError):
                while one.recv(4096):
                    pass


def _is_let_in(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False, timeout=30).status_code == 200
    except httpx.TransportError:  # on a busy machine it may be hung up on itself
        return False
