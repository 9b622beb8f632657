"""The replay against a real HTTP server on loopback, and against none."""

import asyncio
import json
import socket
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from firstflight.domain.errors import StoreUnavailableError
from firstflight.domain.questions import Question
from firstflight.domain.samples import Moments
from firstflight.observation.memory_source import MemorySource
from firstflight.observation.records import BLOCK_SECONDS, Outcome, Prediction
from firstflight.replay import truths
from firstflight.replay.progress import line
from firstflight.replay.run import Load, run
from firstflight.replay.tally import ReplaySummary, ReplayTally
from firstflight.workloads.scores import PROBABILITY
from tests.doubles.gateway import Answer, gateway


def questions(count: int = 6) -> tuple[Question, ...]:
    """Questions of one row each."""
    return tuple(
        Question(f"A{n}@2019-01-02", "2019-01-02", {"history": np.full((1, 2, 3), float(n))}, float(n % 2), 0.01)
        for n in range(count)
    )


class Recording:
    """A server that keeps what it was asked and answers well."""

    def __init__(self, delay: float = 0.0) -> None:
        self.asked: list[tuple[dict[str, str], dict[str, Any]]] = []
        self._delay = delay

    async def answer(self, request: web.Request) -> web.Response:
        """Keep the request and answer it."""
        self.asked.append(({name.lower(): value for name, value in request.headers.items()}, await request.json()))
        model = "b-predictor-v2" if len(self.asked) % 4 == 0 else "a-predictor-v1"
        await asyncio.sleep(self._delay)
        return web.json_response({"outputs": []}, headers={"x-seldon-route": f":{model}_1:"})


async def ask(answer: Answer, load: Load, **others: Any) -> ReplaySummary:
    """Run a replay against a server of its own."""
    async with gateway(answer) as url:
        return await run(url, load, questions(), **{"stop": asyncio.Event()} | others)


def test_questions_are_asked_in_the_open_protocol() -> None:
    """Each request carries route, unit, an id of its own and the tensors; the first question comes again at the end."""
    server = Recording()
    summary = asyncio.run(ask(server.answer, Load("m", rate=500.0, requests=8)))
    names, bodies = zip(*server.asked, strict=True)
    by_unit = {name["x-unit-id"]: (name, body) for name, body in zip(names, bodies, strict=True)}
    assert {*(q.unit for q in questions()), "A0@2019-01-02~2", "A1@2019-01-02~2"} == set(by_unit)
    name, body = by_unit["A2@2019-01-02"]
    assert "m.experiment" == name["seldon-model"]
    assert name["x-request-id"] == body["id"]
    assert [{"name": "history", "shape": [1, 2, 3], "datatype": "FP64", "data": [2.0] * 6}] == body["inputs"]
    assert 8 == len({name["x-request-id"] for name in names})
    assert (8, 8, 0, {"200": 8}) == (summary.requests, summary.ok, summary.failed, summary.statuses)
    assert {"a-predictor-v1": 6, "b-predictor-v2": 2} == summary.models


def test_a_slow_server_is_not_spared() -> None:
    """Requests are sent when due although earlier ones wait: 100 answers of 0.3 s take well under 30 s."""
    summary = asyncio.run(ask(Recording(delay=0.3).answer, Load("m", rate=200.0, requests=100)))
    assert 100 == summary.ok
    assert summary.seconds < 10
    assert (summary.latency_ms(0.5) or 0) >= 290


def test_a_stalled_client_does_not_flatter_the_server() -> None:
    """Latency counts from when a request was due, and the client's own delay is told apart."""

    async def stalled() -> ReplaySummary:
        stall = asyncio.get_running_loop().call_later(0.2, time.sleep, 0.6)
        try:
            return await ask(Recording().answer, Load("m", rate=100.0, seconds=1.0))
        finally:
            stall.cancel()

    summary = asyncio.run(stalled())
    assert summary.longest_ms >= 500
    assert (summary.late_ms(0.99) or 0) >= 300


def test_failures_have_their_code() -> None:
    """Error codes, a refused connection and a time without an answer are counted apart, with nobody's name."""

    async def failing(request: web.Request) -> web.Response:
        return web.Response(status=503 if "~" not in request.headers["x-unit-id"] else 404)

    summary = asyncio.run(ask(failing, Load("m", rate=500.0, requests=8)))
    assert (8, 0, 8, {"404": 2, "503": 6}) == (summary.requests, summary.ok, summary.failed, summary.statuses)
    assert {"none": 8} == summary.models


def test_nobody_answers() -> None:
    """Without a gateway every request fails with status 0, and the replay goes on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    summary = asyncio.run(
        run(f"http://127.0.0.1:{port}", Load("m", rate=200.0, requests=5), questions(), stop=asyncio.Event())
    )
    assert (5, {"0": 5}) == (summary.failed, summary.statuses)


def test_an_answer_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client always stops waiting."""
    monkeypatch.setattr("firstflight.replay.run.ANSWER_SECONDS", 0.2)
    summary = asyncio.run(ask(Recording(delay=1.0).answer, Load("m", rate=100.0, requests=3)))
    assert {"0": 3} == summary.statuses


def test_told_to_stop_it_ends_with_a_summary() -> None:
    """A replay without an end stops when told, after the answers that are on their way."""

    async def stopped() -> ReplaySummary:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.3, stop.set)
        return await ask(Recording(delay=0.1).answer, Load("m", rate=100.0), stop=stop)

    summary = asyncio.run(stopped())
    assert summary.requests == summary.ok > 0
    assert summary.seconds < 5


def test_seconds_end_a_replay() -> None:
    """Nothing is due after the given time."""
    summary = asyncio.run(ask(Recording().answer, Load("m", rate=100.0, seconds=0.5)))
    assert 20 < summary.requests < 100


def test_truths_follow_by_request_id() -> None:
    """The truth of every question reaches the sink after the delay, under the id the question had."""
    passed = timedelta()
    server, source = Recording(), MemorySource(lambda: datetime.now(UTC) + passed, PROBABILITY)
    summary = asyncio.run(ask(server.answer, Load("m", rate=200.0, requests=6), sink=source, outcome_delay=0.1))
    assert (6, 0) == (summary.outcomes_posted, summary.outcomes_left)
    source.add_predictions(
        Prediction(name["x-request-id"], "main", "m", name["x-unit-id"], "a", "a", 0.9, 200, 1, datetime.now(UTC))
        for name, _ in server.asked
    )
    passed += timedelta(seconds=BLOCK_SECONDS)
    window = source.watermark("m")
    assert window is not None
    assert Moments(count=1, mean=0.5) == source.samples("m", "a", window)["accuracy"]  # one day, half of it right


def test_truths_wait_for_a_store_that_is_away() -> None:
    """Outages lose no truth."""

    class Flaky:
        def __init__(self) -> None:
            self.calls = 0
            self.kept: list[Outcome] = []

        def add_outcomes(self, outcomes: Sequence[Outcome]) -> None:
            self.calls += 1
            if self.calls <= 2:
                raise StoreUnavailableError("away")
            self.kept += outcomes

    sink = Flaky()
    summary = asyncio.run(ask(Recording().answer, Load("m", rate=500.0, requests=6), sink=sink, outcome_delay=0.0))
    assert (6, 0, 6) == (summary.outcomes_posted, summary.outcomes_left, len(sink.kept))


def test_truths_that_are_not_due_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end does not wait for truths of tomorrow, and memory does not grow for ever: both are told."""
    monkeypatch.setattr(truths, "_MOST_WAITING", 4)
    summary = asyncio.run(
        ask(Recording().answer, Load("m", rate=500.0, requests=6), sink=MemorySource(), outcome_delay=3600.0)
    )
    assert (0, 6) == (summary.outcomes_posted, summary.outcomes_left)
    assert summary.seconds < 5


def test_no_question_is_refused() -> None:
    """A replay without questions says so instead of asking nothing."""
    with pytest.raises(ValueError, match="no question to ask m"):
        asyncio.run(run("http://127.0.0.1:1", Load("m", rate=1.0), (), stop=asyncio.Event()))


def test_the_summary_survives_json() -> None:
    """A summary is a value; its quantiles follow from its histograms, the longest stands in beyond the last edge."""
    tally = ReplayTally("m")
    for latency in (0.010, 0.020, 0.150, 25.0):
        tally.record(200, "a-predictor-v1", latency, -0.001)
    summary = tally.summary(2.0)
    assert summary == ReplaySummary.model_validate(json.loads(summary.model_dump_json()))
    assert 2.0 == summary.rate
    assert 20.0 == summary.latency_ms(0.5)
    assert 25_000.0 == summary.latency_ms(0.99)
    assert (summary.late_ms(0.95) or 0) <= 0.5


def test_progress_in_one_line() -> None:
    """The line tells pace, failures, latency and split; before the first answer it says that there is none."""
    tally = ReplayTally("m")
    empty = line(tally.summary(1.0))
    for number in range(10):
        tally.record(200 if number else 503, "a-predictor-v1" if number else None, 0.01, 0.0)
    text = line(tally.summary(2.0, posted=9))
    assert "nobody answered yet" in empty
    assert "p50 –" in empty
    for part in ("10 asked", "5.0/s", "9 ok", "1 failed", "p95 9.95 ms", "a-predictor-v1 100 %", "9 truths posted"):
        assert part in text
